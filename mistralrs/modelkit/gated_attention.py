"""Attention whose output is gated by the input, number by number (Qiu et al. 2025, arXiv 2505.06708)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from mistralrs.modelkit.attention import Attention, QkvParts
from mistralrs.modelkit.norms import rms
from mistralrs.modelkit.parts import gqa
from mistralrs.ops import AttentionSpec, Step

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder


class GatedAttention(Attention):
    """Attention with a gate beside every query head; takes what :func:`queries_with_gates` makes."""

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        both, k, v = self.qkv(x, step)
        dim, heads = self.spec.head_dim, self.spec.heads
        q, gate = step.ops.split_groups(both, (dim, dim), heads)
        q, k = self.turn(q, k, step)
        out = step.attend(self.cache, q, k, v, self.spec)
        return self.out(step.ops.gated(gate, out, "sigmoid"), step)  # type: ignore[no-any-return]


class SideGatedAttention(Attention):
    """Attention with gates from a projection of their own."""

    def __init__(self, cache: int, spec: AttentionSpec, *parts: Any, gate: nn.Module, **norms: Any) -> None:
        """``gate`` gives a number for each of the heads' outputs."""
        super().__init__(cache, spec, *parts, **norms)
        self.gate = gate

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        q, k, v = self.qkv(x, step)
        q, k = self.turn(q, k, step)
        out = step.attend(self.cache, q, k, v, self.spec)
        return self.out(step.ops.gated(self.gate(x, step), out, "sigmoid"), step)  # type: ignore[no-any-return]


def side_gated_gqa(cfg: Any, wb: WeightBuilder, index: int, rope: nn.Module | None, **choices: Any) -> Attention:
    """:func:`gqa` with the projection ``gate_proj``; ``choices`` are those of :func:`gqa`."""
    gate = wb.linear("gate_proj", cfg.hidden_size, cfg.num_attention_heads * cfg.head_dim)
    return gqa(cfg, wb, index, rope, block=partial(SideGatedAttention, gate=gate), **choices)


def queries_with_gates(cfg: Any, wb: WeightBuilder, dims: AttentionSpec, bias: bool) -> nn.Module:
    """Three projections, the first of which holds for each head its query, then its gate."""
    sizes = {"q_proj": 2 * dims.heads, "k_proj": dims.kv_heads, "v_proj": dims.kv_heads}
    return QkvParts(
        *(wb.linear(name, cfg.hidden_size, count * dims.head_dim, bias=bias) for name, count in sizes.items())
    )


gated_gqa = partial(gqa, qkv=queries_with_gates, head_norm=rms, block=GatedAttention)
"""Attention with groups of query heads, normed heads and gated outputs."""
