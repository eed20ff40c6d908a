"""Checkpoints that store matrices as ``[in, out]``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from mistralrs.ops import Weight
from mistralrs.weights import TensorSource, WeightBuilder


class TransposedSource:
    """Turns the matrices whose names end in one of ``endings``; all other tensors pass through."""

    def __init__(self, source: TensorSource, endings: Sequence[str]) -> None:
        self.source, self.endings = source, tuple(endings)

    def has(self, name: str) -> bool:
        """Whether the tensor exists."""
        return self.source.has(name)

    def get(self, name: str, shape: tuple[int, ...]) -> Weight:
        """The tensor as ``[out, in]``: a copy, decoded when it is stored in blocks."""
        if not name.endswith(self.endings) or len(shape) != 2:
            return self.source.get(name, shape)
        stored = self.source.get(name, (shape[1], shape[0]))
        data = stored.data if stored.layout.dense else stored.to_dense()
        return Weight.dense(data.t().contiguous())


def transposing(build: Callable[[Any, WeightBuilder], Any], *endings: str) -> Callable[[Any, WeightBuilder], Any]:
    """The same ``build`` over turned matrices, unless the config says that they are not ``transposed``."""

    def turned(cfg: Any, wb: WeightBuilder) -> Any:
        return build(cfg, replace(wb, source=TransposedSource(wb.source, endings)) if cfg.transposed else wb)

    return turned
