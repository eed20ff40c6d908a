"""The skeleton of a causal language model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from mistralrs.errors import ModelFormatError
from mistralrs.layers import Linear, Rope
from mistralrs.ops import Slot, Step, Weight


class PreNormLayer(nn.Module):
    """``x + attn(norm(x))``, then ``x + mlp(norm(x))``."""

    def __init__(self, attn_norm: nn.Module, attn: nn.Module, mlp_norm: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.attn_norm, self.attn = attn_norm, attn
        self.mlp_norm, self.mlp = mlp_norm, mlp

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        x = step.ops.add(x, self.attn(self.attn_norm(x, step), step))
        return step.ops.add(x, self.mlp(self.mlp_norm(x, step), step))


class SandwichLayer(nn.Module):
    """``x + norm(attn(norm(x)))``, then ``x + norm(mlp(norm(x)))``; norms come in pairs, before and after."""

    def __init__(
        self,
        around_attn: tuple[nn.Module, nn.Module],
        attn: nn.Module,
        around_mlp: tuple[nn.Module, nn.Module],
        mlp: nn.Module,
    ) -> None:
        super().__init__()
        self.pre_attn, self.post_attn = around_attn
        self.pre_mlp, self.post_mlp = around_mlp
        self.attn, self.mlp = attn, mlp

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        x = step.ops.add(x, self.post_attn(self.attn(self.pre_attn(x, step), step), step))
        return step.ops.add(x, self.post_mlp(self.mlp(self.pre_mlp(x, step), step), step))


class PostNormLayer(nn.Module):
    """``x + norm(attn(x))``, then ``x + norm(mlp(x))``."""

    def __init__(self, attn: nn.Module, attn_norm: nn.Module, mlp: nn.Module, mlp_norm: nn.Module) -> None:
        super().__init__()
        self.attn, self.attn_norm = attn, attn_norm
        self.mlp, self.mlp_norm = mlp, mlp_norm

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        x = step.ops.add(x, self.attn_norm(self.attn(x, step), step))
        return step.ops.add(x, self.mlp_norm(self.mlp(x, step), step))


class NormedSumLayer(nn.Module):
    """``norm(x + attn(x))``, then ``norm(x + mlp(x))``: the transformer as it was first (arXiv 1706.03762)."""

    def __init__(self, attn: nn.Module, attn_norm: nn.Module, mlp: nn.Module, mlp_norm: nn.Module) -> None:
        super().__init__()
        self.attn, self.attn_norm = attn, attn_norm
        self.mlp, self.mlp_norm = mlp, mlp_norm

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        x = self.attn_norm(step.ops.add(x, self.attn(x, step)), step)
        return self.mlp_norm(step.ops.add(x, self.mlp(x, step)), step)  # type: ignore[no-any-return]


class ParallelLayer(nn.Module):
    """``x + attn(norm(x)) + mlp(norm(x))``; the two norms may be one and the same."""

    def __init__(self, attn_norm: nn.Module, attn: nn.Module, mlp_norm: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.attn_norm, self.attn = attn_norm, attn
        self.mlp_norm, self.mlp = mlp_norm, mlp

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        normed = self.attn_norm(x, step)
        other = normed if self.mlp_norm is self.attn_norm else self.mlp_norm(x, step)
        return step.ops.add(step.ops.add(x, self.attn(normed, step)), self.mlp(other, step))


class HiddenStates(nn.Module):
    """A causal language model without its head: what embeddings are made from."""

    def __init__(self, model: CausalLm) -> None:
        super().__init__()
        self.model = model

    def forward(self, step: Step) -> Tensor:
        """Normed hidden states of the token rows ``step.rows``: ``[rows, width]``."""
        return self.model.hidden(step)


class CausalLm(nn.Module):
    """Embed, decode, norm, and give logits for the rows that are sampled.

    An encoder is the same without a ``head``, often without a last ``norm``: it gives hidden states for those rows.
    """

    def __init__(
        self,
        embed: nn.Module,
        layers: Iterable[nn.Module],
        norm: nn.Module | None,
        head: Linear | None,
        *,
        logit_softcap: float | None = None,
        logit_scale: float = 1.0,
        home: Slot | None = None,
        slots: Sequence[Slot | None] = (),
    ) -> None:
        """Logits are multiplied by ``logit_scale``, then capped.

        ``home`` is where everything but the layers is, ``slots`` are the layers' places under a device plan.
        """
        super().__init__()
        self.embed, self.layers = embed, nn.ModuleList(layers)
        self.norm, self.head = norm, head
        self.logit_softcap, self.logit_scale = logit_softcap, logit_scale
        self.home = home
        self.slots = tuple(slots) or (home,) * len(self.layers)

    def length_class(self, limit: int) -> tuple[int, ...]:
        """Which positional angles a sequence gets that may reach ``limit`` tokens, prompt and answer together.

        Keys of one class must not be read by sequences of another, so the prefix cache is kept apart by it.
        """
        ropes = [module for module in self.modules() if isinstance(module, Rope)]
        return tuple(dict.fromkeys(rope.angles.length_class(limit) for rope in ropes))

    def forward(self, step: Step) -> Tensor:
        """Logits in float32 of the token rows ``step.rows``: ``[rows, vocab]``."""
        hidden = self.hidden(step)
        if self.head is None:
            return hidden
        logits = self.head.logits(hidden, step)
        if self.logit_scale != 1.0:
            logits = step.ops.scale(logits, self.logit_scale)
        return step.ops.softcap(logits, self.logit_softcap) if self.logit_softcap else logits

    def hidden(self, step: Step) -> Tensor:
        """What the head would get: normed hidden states of the token rows ``step.rows``, ``[rows, width]``."""
        x = step.ops.rows(self._decode(self.embed(step.ids, step), step), step.rows)
        return x if self.norm is None else self.norm(x, step)

    def _decode(self, x: Tensor, step: Step) -> Tensor:
        """Through the layers; where the slot changes, the hidden states move once."""
        here, at = step, self.home
        for layer, slot in zip(self.layers, self.slots, strict=True):
            if slot is not None and slot != at:
                x, at = step.ops.transfer(x, slot), slot
                here = step if slot == self.home else step.at(slot)
            x = layer(x, here)
        return x if self.home is None or at == self.home else step.ops.transfer(x, self.home)


def only_logits(model: nn.Module, tokens: Sequence[int]) -> CausalLm:
    """The model with a head for ``tokens`` alone: its logits are ``[rows, len(tokens)]``.

    Raises ModelFormatError for a model whose head is not one projection.
    """
    if not isinstance(model, CausalLm) or not isinstance(model.head, Linear):
        raise ModelFormatError("this model cannot score by its answers: its head is not a single projection")
    weight, bias = model.head.weight, model.head.bias
    index = torch.tensor(list(tokens), device=weight.data.device)
    dtype = weight.data.dtype if weight.layout.dense else torch.float32
    model.head = Linear(Weight.dense(weight.rows(index, dtype)), None if bias is None else bias[index])
    return model
