"""Feed-forward blocks."""

from __future__ import annotations

from torch import Tensor, nn

from mistralrs.ops import Step


class GatedMlp(nn.Module):
    """``down(act(gate(x)) * up(x))``."""

    def __init__(self, gate: nn.Module, up: nn.Module, down: nn.Module, activation: str) -> None:
        super().__init__()
        self.gate, self.up, self.down = gate, up, down
        self.activation = activation

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        hidden = step.ops.gated(self.gate(x, step), self.up(x, step), self.activation)
        return self.down(hidden, step)  # type: ignore[no-any-return]


class PackedGatedMlp(nn.Module):
    """The same with gate and up in one matrix, gate first."""

    def __init__(self, gate_up: nn.Module, down: nn.Module, inner: int, activation: str) -> None:
        super().__init__()
        self.gate_up, self.down = gate_up, down
        self.activation = activation
        self.inner = inner

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        gate, up = step.ops.split(self.gate_up(x, step), (self.inner, self.inner))
        return self.down(step.ops.gated(gate, up, self.activation), step)  # type: ignore[no-any-return]


class Activation(nn.Module):
    """An activation without weights."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """Same shape out as in."""
        return step.ops.activate(x, self.name)


class Xielu(nn.Module):
    """xIELU: two learned slopes and two constants, tensors of one number each."""

    positive: Tensor
    negative: Tensor
    beta: Tensor
    eps: Tensor

    def __init__(self, positive: Tensor, negative: Tensor, beta: Tensor, eps: Tensor) -> None:
        super().__init__()
        for name, value in (("positive", positive), ("negative", negative), ("beta", beta), ("eps", eps)):
            self.register_buffer(name, value, persistent=False)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """Same shape out as in."""
        return step.ops.xielu(x, self.positive, self.negative, self.beta, self.eps)


class Mlp(nn.Module):
    """``down(act(up(x)))``."""

    def __init__(self, up: nn.Module, act: nn.Module, down: nn.Module) -> None:
        super().__init__()
        self.up, self.act, self.down = up, act, down

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        return self.down(self.act(self.up(x, step), step), step)  # type: ignore[no-any-return]
