"""One forward pass as a model sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from mistralrs.errors import EngineError
from mistralrs.ops.live import Choice
from mistralrs.ops.meta import AttentionMeta, LayerCache, StateCache
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

    def attend(
        self, cache: int, q: Tensor, k: Tensor, v: Tensor, spec: AttentionSpec, sinks: Tensor | None = None
    ) -> Tensor:
        """Append ``k`` and ``v`` to the cache of the layer that was given the handle ``cache``, then attend."""

    def attend_latent(self, cache: int, q: Tensor, latent: Tensor, spec: AttentionSpec) -> Tensor:
        """The same for a layer whose cache is latent: its values are the first numbers of its keys."""

    def attend_shared(self, cache: int, q: Tensor, spec: AttentionSpec) -> Tensor:
        """Attend to what another layer of this step has appended to the cache with its handle."""

    def state(self, cache: int) -> tuple[StateCache, AttentionMeta]:
        """What operations with recurrent state take last: the states of the layer with the handle ``cache``."""

    def rotation(self, angles: Rotary) -> tuple[Tensor, Tensor]:
        """Cosine and sine ``[tokens, rotary / 2]`` of this step's positions."""

    def token_types(self) -> Tensor:
        """Which of two texts each token belongs to, 0 or 1: int64 ``[tokens]``."""

    def at(self, slot: Slot) -> Step:
        """This step as layers of another slot get it."""


class StepOutput:
    """Where the engine wants what comes out of a step, in memory that it keeps from step to step.

    ``logits`` is float32 ``[rows, vocab]``. With ``settings``, float64 ``[rows, 5]`` as for :meth:`Ops.draw`, the next
    tokens may be drawn along the way: then they are in ``tokens``, int64 ``[rows]``, and ``drawn`` is set. With a
    ``choice`` in the place of ``settings``, whoever draws does all that it says. Using any of it is optional: what
    counts are the logits that the step returns.
    """

    __slots__ = ("choice", "drawn", "logits", "settings", "tokens")

    def __init__(self, logits: Tensor, tokens: Tensor, settings: Tensor | None, choice: Choice | None = None) -> None:
        self.logits = logits
        self.tokens = tokens
        self.settings = settings
        self.choice = choice
        self.drawn = False


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
        caches: Sequence[LayerCache | StateCache],
        out: StepOutput | None = None,
    ) -> None:
        self.ops = ops
        self.ids = ids
        self.positions = positions
        self.rows = rows
        self.meta = meta
        self.caches = caches
        self.out = out
        self._rotations: dict[int, tuple[Tensor, Tensor]] = {}
        self._elsewhere: dict[Slot, StepContext] = {}

    def attend(
        self, cache: int, q: Tensor, k: Tensor, v: Tensor, spec: AttentionSpec, sinks: Tensor | None = None
    ) -> Tensor:
        """See :meth:`Step.attend`."""
        layer = self._keys(cache)
        self.ops.write_kv(k, v, layer, self.meta)
        if sinks is None:
            return self.ops.attend(q, layer, self.meta, spec)
        return self.ops.attend_sinks(q, layer, self.meta, spec, sinks)

    def attend_latent(self, cache: int, q: Tensor, latent: Tensor, spec: AttentionSpec) -> Tensor:
        """See :meth:`Step.attend_latent`."""
        layer = self._keys(cache)
        self.ops.write_latent(latent, layer, self.meta)
        return self.ops.attend(q, layer, self.meta, spec)

    def attend_shared(self, cache: int, q: Tensor, spec: AttentionSpec) -> Tensor:
        """See :meth:`Step.attend_shared`."""
        return self.ops.attend(q, self._keys(cache), self.meta, spec)

    def _keys(self, cache: int) -> LayerCache:
        layer = self.caches[cache]
        if not isinstance(layer, LayerCache):
            raise EngineError("a layer attends to a cache that keeps no keys")
        return layer

    def state(self, cache: int) -> tuple[StateCache, AttentionMeta]:
        """See :meth:`Step.state`."""
        layer = self.caches[cache]
        if not isinstance(layer, StateCache):
            raise EngineError("a layer carries a state in a cache that keeps keys")
        return layer, self.meta

    def rotation(self, angles: Rotary) -> tuple[Tensor, Tensor]:
        """See :meth:`Step.rotation`; computed once per step and angles."""
        found = self._rotations.get(id(angles))
        if found is None:
            found = angles(self.ops, self.positions, self.meta)
            self._rotations[id(angles)] = found
        return found

    def token_types(self) -> Tensor:
        """See :meth:`Step.token_types`."""
        return self.ops.token_types(self.meta)

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
