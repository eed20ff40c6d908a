"""Who holds which slot of the state pool: the recurrent counterpart of a sequence's blocks.

A step reads a sequence's states in one slot and writes them in another. So a step that failed can be run again, and a
state is kept for others just by not writing over its slot: no copies. States cannot be cut like keys, therefore they
are kept where they may be of use: where a prompt leaves what others had in common with it, at the last border of a
prompt's blocks, and at the latest one of its answer.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mistralrs.engine.config import EngineConfig
from mistralrs.engine.sequence import Sequence
from mistralrs.kvcache.blocks import BlockPool


@dataclass(slots=True)
class SequenceStates:
    """One sequence's slots, all of them held.

    ``target`` is written by the next step, ``other`` by the one after. ``source`` is read: None at the beginning of a
    sequence, ``other`` later, or a slot that is shared or kept. ``kept`` are states that may be published when the
    sequence's numbers have proved to be sound, each with the blocks it stands for; ``borders`` are where in the prompt
    to keep them. ``latest`` is the key of the last one published from the answer.
    """

    target: int
    other: int
    source: int | None
    borders: list[int] = field(default_factory=list)
    kept: list[tuple[int, int]] = field(default_factory=list)
    latest: bytes | None = None

    @property
    def held(self) -> set[int]:
        """Every slot the sequence holds."""
        shared = set() if self.source is None else {self.source}
        return {self.target, self.other, *shared, *(slot for _, slot in self.kept)}


class StateSlots:
    """The pool's slots by sequence. Without recurrent layers (``num_states`` 0) every call does nothing."""

    def __init__(self, config: EngineConfig) -> None:
        self._size = config.block_size
        self._keeps = config.prefix_cache
        self.pool = BlockPool(config.num_states)

    def reach(self, keys: list[bytes], known: int) -> int:
        """How many of the first ``known`` blocks a sequence can start from: those up to the last state still known.

        None at all when there is no room for it beside the sequence's own slots.
        """
        if not self.pool.size:
            return known
        for count in range(known, 0, -1):
            slot = self.pool.find(keys[count - 1])
            if slot is not None:
                return count if self.pool.available - self.pool.is_cached(slot) >= 2 else 0
        return 0

    def reserve(self, sequence: Sequence, start: int, known: int) -> bool:
        """Take the slots of a sequence that starts behind ``start`` of its ``known`` blocks; False if there are none.

        After that no step can lack a slot.
        """
        if not self.pool.size:
            return True
        if self.pool.available < 2:
            return False
        source = self.pool.find(sequence.keys[start - 1]) if start else None
        if source is not None:
            self.pool.share(source)
        borders = {known * self._size, (sequence.length - 1) // self._size * self._size} if self._keeps else set()
        wanted = sorted(border for border in borders if start * self._size < border < sequence.length)
        sequence.states = SequenceStates(self.pool.take_surely(), self.pool.take_surely(), source, wanted)
        return True

    def cut(self, sequence: Sequence, count: int) -> int:
        """At most ``count`` next tokens: no further than the next border where a state is to be kept."""
        states, start = sequence.states, sequence.computed
        if states is None:
            return count
        return min([count, *(border - start for border in states.borders if border > start)])

    def commit(self, sequence: Sequence) -> None:
        """The step is done: what it wrote is the sequence's state, behind its first ``computed`` tokens."""
        states = sequence.states
        if states is None:
            return
        old = states.source
        if old is not None and old != states.other and all(old != slot for _, slot in states.kept):
            self.pool.release([old])
        states.source, states.target, states.other = states.target, states.other, states.target
        at_border = self._keeps and sequence.computed % self._size == 0
        if at_border and (sequence.computed in states.borders or sequence.generated):
            self._keep(sequence, states)

    def publish(self, sequence: Sequence) -> None:
        """Let others start from the states kept so far; of those within the answer only the latest."""
        states = sequence.states
        if states is None:
            return
        for blocks, slot in states.kept:
            key = sequence.keys[blocks - 1]
            self.pool.publish(slot, key)
            if blocks * self._size > sequence.prompt_length:
                self._replace(states, key)
            if slot != states.source:
                self.pool.release([slot])
        states.kept.clear()

    def release(self, sequence: Sequence) -> None:
        """Give all slots back."""
        if sequence.states is not None:
            self.pool.release(sequence.states.held)
            sequence.states = None

    def forget(self, keys: list[bytes]) -> None:
        """Make the states of damaged prefixes unfindable."""
        found = (self.pool.find(key) for key in keys)
        self.pool.forget([slot for slot in found if slot is not None])

    def _keep(self, sequence: Sequence, states: SequenceStates) -> None:
        """Do not write over the present state, if there is another slot to write to."""
        spare = self.pool.take()
        if spare is not None and states.source is not None:
            states.kept.append((sequence.computed // self._size, states.source))
            states.other = spare

    def _replace(self, states: SequenceStates, key: bytes) -> None:
        if states.latest is not None and states.latest != key:
            self.forget([states.latest])
        states.latest = key
