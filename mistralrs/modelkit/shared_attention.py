"""Attention of layers that read another layer's keys, and of those whose values are normed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from mistralrs.modelkit.norms import rms, rms_without_weight
from mistralrs.modelkit.parts import QkvPart, by_layer_type, gqa, separate
from mistralrs.modelkit.shared_config import SharedKeysConfig
from mistralrs.ops import AttentionSpec, Slot, Step

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder


class SharedAttention(nn.Module):
    """Queries of its own over the cache of an earlier layer.

    ``there`` is the slot of that layer. Under a device plan queries go there and what they found comes back, which is
    far less than the keys.
    """

    def __init__(
        self,
        cache: int,
        spec: AttentionSpec,
        q: nn.Module,
        q_norm: nn.Module,
        out: nn.Module,
        rope: nn.Module | None,
        *,
        here: Slot | None = None,
        there: Slot | None = None,
    ) -> None:
        super().__init__()
        self.cache, self.spec = cache, spec
        self.q, self.q_norm, self.out, self.rope = q, q_norm, out, rope
        self.here, self.there = here, there

    @property
    def crosses(self) -> bool:
        """Whether the cache is in another slot; then two transfers a step are this layer's."""
        return self.here != self.there

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        q = self.q_norm(self.q(x, step), step)
        if self.rope is not None:
            q = self.rope(q, step)
        return self.out(self._attend(q, step), step)  # type: ignore[no-any-return]

    def _attend(self, q: Tensor, step: Step) -> Tensor:
        if self.here is None or self.there is None or not self.crosses:
            return step.attend_shared(self.cache, q, self.spec)
        there = step.at(self.there)
        found = there.attend_shared(self.cache, step.ops.transfer(q, self.there), self.spec)
        return step.ops.transfer(found, self.here)


class NormedValues(nn.Module):
    """Queries, keys and values of ``qkv``, the last normed."""

    def __init__(self, qkv: nn.Module, norm: nn.Module) -> None:
        super().__init__()
        self.qkv, self.norm = qkv, norm

    def forward(self, x: Tensor, step: Step) -> tuple[Tensor, ...]:
        """``[tokens, width]`` to three tensors ``[tokens, heads * head_dim]``."""
        q, k, v = self.qkv(x, step)
        return q, k, self.norm(v, step)


def normed_values(qkv: QkvPart = separate) -> QkvPart:
    """``qkv`` with an RMS norm without weight on every head's values."""

    def part(cfg: Any, wb: Any, dims: AttentionSpec, bias: bool) -> nn.Module:
        return NormedValues(qkv(cfg, wb, dims, bias), rms_without_weight(cfg, wb, "v_norm", dims.head_dim))

    return part


def shared_gqa(
    cfg: SharedKeysConfig,
    wb: WeightBuilder,
    index: int,
    rope: nn.Module | None,
    *,
    spec: Callable[[Any, int], AttentionSpec] = by_layer_type,
    qkv: QkvPart = separate,
) -> nn.Module:
    """Attention with normed queries, keys and values; only queries in layers that read the keys of another."""
    source = cfg.keys_from(index)
    if source is None:
        return gqa(cfg, wb, index, rope, head_norm=rms, spec=spec, qkv=normed_values(qkv))
    dims, cache = spec(cfg, index), wb.cache_layers.index(source)
    width, inner, bias = cfg.hidden_size, dims.heads * dims.head_dim, cfg.attention_bias
    return SharedAttention(
        cache,
        dims,
        wb.linear("q_proj", width, inner, bias=bias),
        rms(cfg, wb, "q_norm", dims.head_dim),
        wb.linear("o_proj", inner, width, bias=bias),
        rope,
        here=wb.slot,
        there=wb.cache_slots[cache],
    )
