"""Mixtures of experts: every token goes through the few experts that a router chooses for it."""

from __future__ import annotations

from torch import Tensor, nn

from mistralrs.ops import RouterSpec, Step, WeightStack


class Router(nn.Module):
    """Chooses experts by the logits of ``gate``; ``correction`` ``[experts]`` is added for the choice only."""

    correction: Tensor | None

    def __init__(self, gate: nn.Module, spec: RouterSpec, correction: Tensor | None = None) -> None:
        super().__init__()
        self.gate, self.spec = gate, spec
        self.register_buffer("correction", correction, persistent=False)

    def forward(self, x: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """Weights and numbers of every token's experts, each ``[tokens, top_k]``."""
        return step.ops.route(self.gate(x, step), self.correction, self.spec)


class ExpertLinear(nn.Module):
    """A projection of each expert; ``bias`` is ``[experts, out]``."""

    bias: Tensor | None

    def __init__(self, stack: WeightStack, bias: Tensor | None = None) -> None:
        super().__init__()
        self.stack = stack
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, x: Tensor, ends: Tensor, step: Step) -> Tensor:
        """``[rows, in]`` sorted by expert to ``[rows, out]``."""
        return step.ops.expert_linear(x, ends, self.stack, self.bias)


class GatedExperts(nn.Module):
    """A gated feed-forward block of each expert."""

    def __init__(self, gate: ExpertLinear, up: ExpertLinear, down: ExpertLinear, activation: str) -> None:
        super().__init__()
        self.gate, self.up, self.down = gate, up, down
        self.activation = activation

    def forward(self, x: Tensor, ends: Tensor, step: Step) -> Tensor:
        """``[rows, width]`` to the same."""
        hidden = step.ops.gated(self.gate(x, ends, step), self.up(x, ends, step), self.activation)
        return self.down(hidden, ends, step)  # type: ignore[no-any-return]


class PackedGatedExperts(nn.Module):
    """The same with gate and up in one matrix, gate first."""

    def __init__(self, gate_up: ExpertLinear, down: ExpertLinear, inner: int, activation: str) -> None:
        super().__init__()
        self.gate_up, self.down = gate_up, down
        self.inner, self.activation = inner, activation

    def forward(self, x: Tensor, ends: Tensor, step: Step) -> Tensor:
        """``[rows, width]`` to the same."""
        gate, up = step.ops.split(self.gate_up(x, ends, step), (self.inner, self.inner))
        return self.down(step.ops.gated(gate, up, self.activation), ends, step)  # type: ignore[no-any-return]


class SparseMlp(nn.Module):
    """Routed experts, and a shared block that sees every token.

    The router's weights multiply what the experts give, or what they get when ``weigh_input``.
    """

    def __init__(
        self, router: Router, experts: nn.Module, count: int, shared: nn.Module | None, *, weigh_input: bool = False
    ) -> None:
        super().__init__()
        self.router, self.experts, self.shared = router, experts, shared
        self.count, self.weigh_input = count, weigh_input

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        weights, chosen = self.router(x, step)
        rows, order, ends = step.ops.dispatch(x, chosen, self.count, weights if self.weigh_input else None)
        rows = self.experts(rows, ends, step)
        top_k = self.router.spec.top_k
        routed = step.ops.combine(rows, order, top_k, None if self.weigh_input else weights)
        return routed if self.shared is None else step.ops.add(routed, self.shared(x, step))


class SwitchedMlp(nn.Module):
    """A block times the sigmoid of one number per token."""

    def __init__(self, mlp: nn.Module, switch: nn.Module) -> None:
        super().__init__()
        self.mlp, self.switch = mlp, switch

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        return step.ops.gated(self.switch(x, step), self.mlp(x, step), "sigmoid")
