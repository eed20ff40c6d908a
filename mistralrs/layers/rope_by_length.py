"""Angles that depend on how long a sequence may become.

Stretching on the fly, whenever a sequence outgrows a threshold, would leave keys in the cache that were rotated by
other angles than the queries that read them. So the stretch is fixed for each request by its length limit, and every
way of computing it (whole, in chunks, token by token, again after preemption) gives the same numbers.
"""

from __future__ import annotations

from torch import Tensor, nn

from mistralrs.ops import AttentionMeta, Ops


class LongAngles(nn.Module):
    """LongRoPE (arXiv 2402.13753): one set of frequencies up to the trained length, another for longer sequences."""

    short: Tensor
    long: Tensor

    def __init__(self, short: Tensor, long: Tensor, trained: int, factor: float) -> None:
        """Frequencies are ``[rotary / 2]``; cosine and sine of both are multiplied by ``factor``."""
        super().__init__()
        self.register_buffer("short", short, persistent=False)
        self.register_buffer("long", long, persistent=False)
        self.trained = trained
        self.factor = factor

    def forward(self, ops: Ops, positions: Tensor, meta: AttentionMeta) -> tuple[Tensor, Tensor]:
        """See :class:`mistralrs.ops.Rotary`."""
        return ops.rotation(positions, ops.long_frequencies(meta, self.short, self.long, self.trained), self.factor)

    def length_class(self, limit: int) -> int:
        """See :class:`mistralrs.ops.Rotary`."""
        return int(limit > self.trained)


class DynamicAngles(nn.Module):
    """Dynamic NTK: the base grows with the length beyond the trained one, so that the slowest pair just fits."""

    def __init__(self, rotary: int, theta: float, factor: float, trained: int) -> None:
        super().__init__()
        self.rotary, self.theta, self.factor, self.trained = rotary, theta, factor, trained

    def forward(self, ops: Ops, positions: Tensor, meta: AttentionMeta) -> tuple[Tensor, Tensor]:
        """See :class:`mistralrs.ops.Rotary`."""
        freq = ops.dynamic_frequencies(meta, self.rotary, self.theta, self.factor, self.trained)
        return ops.rotation(positions, freq, 1.0)

    def length_class(self, limit: int) -> int:
        """See :class:`mistralrs.ops.Rotary`."""
        return max(limit, self.trained)
