"""Attention that does one thing more than the block it extends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from mistralrs.modelkit.attention import Attention
from mistralrs.modelkit.parts import gqa
from mistralrs.ops import AttentionSpec, Step

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder


class SinkAttention(Attention):
    """With a learned score per head, ``sinks`` ``[heads]``, that takes attention away from every token."""

    sinks: Tensor

    def __init__(self, cache: int, spec: AttentionSpec, *parts: Any, sinks: Tensor, **norms: Any) -> None:
        super().__init__(cache, spec, *parts, **norms)
        self.register_buffer("sinks", sinks, persistent=False)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        q, k, v = self.qkv(x, step)
        q, k = self.turn(q, k, step)
        return self.out(step.attend(self.cache, q, k, v, self.spec, self.sinks), step)  # type: ignore[no-any-return]


class TemperedAttention(Attention):
    """With queries that grow with the logarithm of their position (arXiv 2501.19399)."""

    def __init__(
        self, cache: int, spec: AttentionSpec, *parts: Any, stretch: float, factor: float, first: int, **norms: Any
    ) -> None:
        """A query at ``position`` is multiplied by ``1 + factor * log(1 + floor((position + first) / stretch))``."""
        super().__init__(cache, spec, *parts, **norms)
        self.stretch, self.factor, self.first = stretch, factor, first

    def turn(self, q: Tensor, k: Tensor, step: Step) -> tuple[Tensor, Tensor]:
        """Queries and keys as they attend."""
        q, k = super().turn(q, k, step)
        return step.ops.position_scale(q, step.positions, self.stretch, self.factor, self.first), k


def sink_gqa(cfg: Any, wb: WeightBuilder, index: int, rope: nn.Module | None, **choices: Any) -> Attention:
    """:func:`gqa` with the tensor ``sinks``; ``choices`` are those of :func:`gqa`."""
    sinks = wb.tensor("sinks", (cfg.num_attention_heads,))
    return gqa(cfg, wb, index, rope, block=partial(SinkAttention, sinks=sinks), **choices)


def chunked(spec: Callable[[Any, int], AttentionSpec], size: Callable[[Any, int], int | None]) -> Any:
    """A ``spec`` part whose layer sees only the stretch of ``size(cfg, index)`` positions that a token is in."""

    def part(cfg: Any, index: int) -> AttentionSpec:
        return replace(spec(cfg, index), chunk=size(cfg, index))

    return part
