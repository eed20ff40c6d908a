"""One forward pass as a model sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from mistralrs.ops.meta import AttentionMeta, LayerCache
from mistralrs.ops.ops import Ops
from mistralrs.ops.spec import AttentionSpec


class Rotary(Protocol):
    """What a step needs of a rotary embedding to compute its angles once for all layers that share it."""

    @property
    def inv_freq(self) -> Tensor:
        """Angle per position of each pair, ``[rotary / 2]`` float32."""

    @property
    def factor(self) -> float:
        """What cosine and sine are multiplied by (YaRN's attention factor), usually 1."""


class Step(Protocol):
    """What ``forward`` gets: this step's tokens, and the cache behind one call.

    ``ids`` and ``positions`` are int64 ``[tokens]``; ``rows`` int64 ``[n]`` are the token rows whose logits are
    wanted. A model is a pure function of its step: it holds no cache, no mask and no position of its own.
    """

    ops: Ops
    ids: Tensor
    positions: Tensor
    rows: Tensor

    def attend(self, cache: int, q: Tensor, k: Tensor, v: Tensor, spec: AttentionSpec) -> Tensor:
        """Append ``k`` and ``v`` to the cache of the layer that was given the handle ``cache``, then attend."""

    def rotation(self, rope: Rotary) -> tuple[Tensor, Tensor]:
        """Cosine and sine ``[tokens, rotary / 2]`` of this step's positions under ``rope``."""


class StepContext:
    """The engine's :class:`Step`: tokens, the ragged batch's place in the paged cache, and the ops to run."""

    def __init__(
        self,
        *,
        ops: Ops,
        ids: Tensor,
        positions: Tensor,
        rows: Tensor,
        meta: AttentionMeta,
        caches: Sequence[LayerCache],
    ) -> None:
        self.ops = ops
        self.ids = ids
        self.positions = positions
        self.rows = rows
        self.meta = meta
        self.caches = caches
        self._rotations: dict[int, tuple[Tensor, Tensor]] = {}

    def attend(self, cache: int, q: Tensor, k: Tensor, v: Tensor, spec: AttentionSpec) -> Tensor:
        """See :meth:`Step.attend`."""
        layer = self.caches[cache]
        self.ops.write_kv(k, v, layer, self.meta)
        return self.ops.attend(q, layer, self.meta, spec)

    def rotation(self, rope: Rotary) -> tuple[Tensor, Tensor]:
        """See :meth:`Step.rotation`; computed once per step and rope."""
        found = self._rotations.get(id(rope))
        if found is None:
            found = self.ops.rotation(self.positions, rope.inv_freq, rope.factor)
            self._rotations[id(rope)] = found
        return found
