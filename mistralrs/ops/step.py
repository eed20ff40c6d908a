"""One forward pass as a model sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from mistralrs.ops.meta import AttentionMeta, LayerCache
from mistralrs.ops.ops import Ops
from mistralrs.ops.slot import Slot
from mistralrs.ops.spec import AttentionSpec


class Rotary(Protocol):
    """The angles of a rotary embedding; a step computes them once for all layers that share it."""

    def __call__(self, ops: Ops, positions: Tensor, meta: AttentionMeta) -> tuple[Tensor, Tensor]:
        """Cosine and sine ``[tokens, rotary / 2]`` float32 of the step's positions."""

    def length_class(self, limit: int) -> int:
        """Which angles a sequence that may reach ``limit`` tokens gets: equal numbers, equal angles.

        Cached keys can be shared between sequences of one class only.
        """


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

    def rotation(self, angles: Rotary) -> tuple[Tensor, Tensor]:
        """Cosine and sine ``[tokens, rotary / 2]`` of this step's positions."""

    def at(self, slot: Slot) -> Step:
        """This step as layers of another slot get it."""


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
        self._elsewhere: dict[Slot, StepContext] = {}

    def attend(self, cache: int, q: Tensor, k: Tensor, v: Tensor, spec: AttentionSpec) -> Tensor:
        """See :meth:`Step.attend`."""
        layer = self.caches[cache]
        self.ops.write_kv(k, v, layer, self.meta)
        return self.ops.attend(q, layer, self.meta, spec)

    def rotation(self, angles: Rotary) -> tuple[Tensor, Tensor]:
        """See :meth:`Step.rotation`; computed once per step and angles."""
        found = self._rotations.get(id(angles))
        if found is None:
            found = angles(self.ops, self.positions, self.meta)
            self._rotations[id(angles)] = found
        return found

    def at(self, slot: Slot) -> StepContext:
        """See :meth:`Step.at`; made once per step and slot."""
        found = self._elsewhere.get(slot)
        if found is None:
            positions, meta = self.ops.transfer_step(self.positions, self.meta, slot)
            found = StepContext(
                ops=self.ops, ids=self.ids, positions=positions, rows=self.rows, meta=meta, caches=self.caches
            )
            self._elsewhere[slot] = found
        return found
