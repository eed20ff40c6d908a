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


def queries_with_gates(cfg: Any, wb: WeightBuilder, dims: AttentionSpec, bias: bool) -> nn.Module:
    """Three projections, the first of which holds for each head its query, then its gate."""
    sizes = {"q_proj": 2 * dims.heads, "k_proj": dims.kv_heads, "v_proj": dims.kv_heads}
    return QkvParts(
        *(wb.linear(name, cfg.hidden_size, count * dims.head_dim, bias=bias) for name, count in sizes.items())
    )


gated_gqa = partial(gqa, qkv=queries_with_gates, head_norm=rms, block=GatedAttention)
"""Attention with groups of query heads, normed heads and gated outputs."""
