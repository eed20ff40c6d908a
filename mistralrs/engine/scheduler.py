"""Decides which sequences compute how many tokens in the next step, and which hold cache blocks.

Every step may mix prompts and answers. Answers go first, one token each; what is left of the token budget goes to
prompts, in chunks. All blocks of a prompt are reserved when it is admitted, so that a half-computed prompt never
waits for memory. Answers take blocks as they grow; when there are none, the youngest sequence gives all of its
blocks back and is computed again later.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from mistralrs import faults
from mistralrs.engine.config import EngineConfig
from mistralrs.engine.sequence import Sequence, Status
from mistralrs.engine.states import StateSlots
from mistralrs.kvcache.blocks import BlockPool
from mistralrs.kvcache.prefix import PrefixCache


@dataclass(slots=True)
class Chunk:
    """The next ``count`` uncomputed tokens of a sequence."""

    sequence: Sequence
    start: int
    count: int

    @property
    def end(self) -> int:
        """Tokens of the sequence in the cache once the chunk is computed."""
        return self.start + self.count

    @property
    def samples(self) -> bool:
        """Whether the chunk reaches the end of the sequence, so that its last row gives the next token."""
        return self.end == self.sequence.length


@dataclass(slots=True)
class Plan:
    """One step: what to compute, and the sequences that ``exhausted`` the cache and were taken out."""

    chunks: list[Chunk] = field(default_factory=list)
    exhausted: list[Sequence] = field(default_factory=list)


class Scheduler:
    """Owns the queue and the block pool. ``running`` is ordered by admission: the last one is the youngest."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.pool = BlockPool(config.num_blocks)
        self.prefix = PrefixCache(self.pool, config.block_size, config.cache_namespace, enabled=config.prefix_cache)
        self.states = StateSlots(config)
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []
        self.preemptions = 0

    @property
    def has_work(self) -> bool:
        """Whether any sequence waits or runs."""
        return bool(self.running or self.waiting)

    def add(self, sequence: Sequence) -> None:
        """Put a new sequence at the end of the queue."""
        self.waiting.append(sequence)

    def schedule(self) -> Plan:
        """Plan the next step; blocks for everything in it are held when this returns."""
        if self.running and faults.flagged("scheduler.preempt"):
            self._preempt(self.running[-1])
        plan = Plan()
        self._continue_answers(plan)
        self._admit()
        self._continue_prompts(plan)
        return plan

    def commit(self, chunk: Chunk) -> None:
        """Note that a chunk is computed."""
        chunk.sequence.computed = chunk.end
        self.states.commit(chunk.sequence)

    def publish(self, sequence: Sequence) -> None:
        """Let others reuse the full blocks of ``sequence``. Call only once its logits have proved to be finite."""
        full = sequence.computed // self.config.block_size
        if not self.prefix.enabled or full == sequence.published:
            return
        self.prefix.extend(sequence.keys, sequence.tokens.array[: sequence.computed], sequence.salt)
        for index in range(sequence.published, full):
            self.pool.publish(sequence.blocks[index], sequence.keys[index])
        sequence.published = full
        self.states.publish(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Take a sequence out, wherever it is, and give its blocks back. Removing it twice does no harm."""
        if sequence.status is Status.WAITING:
            self.waiting.remove(sequence)
        elif sequence.status is Status.RUNNING:
            self.running.remove(sequence)
        sequence.status = Status.FINISHED
        self._release(sequence)

    def reset(self) -> None:
        """Drop every sequence and all that is cached: the way back from a state that cannot be trusted."""
        for sequence in (*self.waiting, *self.running):
            sequence.blocks.clear()
            sequence.states = None
            sequence.status = Status.FINISHED
        self.waiting.clear()
        self.running.clear()
        self.pool = BlockPool(self.config.num_blocks)
        self.prefix.pool = self.pool
        self.states = StateSlots(self.config)

    def discard(self, sequence: Sequence) -> list[int]:
        """Like :meth:`remove` for a sequence with damaged content: none of its blocks can be found any more.

        Returns the blocks that nobody else holds, to be wiped.
        """
        blocks = sequence.blocks.array.tolist()
        self.pool.forget(blocks)
        self.states.forget(sequence.keys)
        self.remove(sequence)
        return [block for block in blocks if not self.pool.is_held(block)]

    def _continue_answers(self, plan: Plan) -> None:
        """One token for every sequence that is past its prompt, oldest first."""
        size = self.config.block_size
        for sequence in tuple(self.running):
            if sequence.status is not Status.RUNNING or sequence.pending != 1:
                continue  # preempted for an older one a moment ago, or still in its prompt
            if len(sequence.blocks) * size > sequence.computed or self._grow(sequence, plan):
                plan.chunks.append(Chunk(sequence, sequence.computed, 1))

    def _grow(self, sequence: Sequence, plan: Plan) -> bool:
        """Make room for the sequence's next token. False if the sequence itself had to give way."""
        if len(sequence.blocks) * self.config.block_size >= sequence.length:
            return True
        while (block := self.pool.take()) is None:
            youngest = self.running[-1]
            if len(self.running) == 1:
                self.remove(sequence)
                plan.exhausted.append(sequence)
                return False
            self._preempt(youngest)
            if youngest is sequence:
                return False
        sequence.blocks.append(block)
        return True

    def _preempt(self, sequence: Sequence) -> None:
        """Back to the head of the queue, without blocks. What was published may still be found on return."""
        self.running.remove(sequence)
        self.waiting.appendleft(sequence)
        sequence.status = Status.WAITING
        self._release(sequence)
        self.preemptions += 1

    def _release(self, sequence: Sequence) -> None:
        self.pool.release(sequence.blocks.array.tolist())
        sequence.blocks.clear()
        self.states.release(sequence)
        sequence.computed = 0
        sequence.published = 0

    def _admit(self) -> None:
        """Start waiting sequences in order of arrival, as long as there is room for the first one."""
        while self.waiting and len(self.running) < self.config.max_seqs:
            sequence = self.waiting[0]
            if not self._reserve(sequence):
                return
            self.waiting.popleft()
            self.running.append(sequence)
            sequence.status = Status.RUNNING

    def _reserve(self, sequence: Sequence) -> bool:
        """Take all blocks for the tokens of ``sequence``, known prefixes included; False if there is no room."""
        self.prefix.extend(sequence.keys, sequence.tokens.array, sequence.salt)
        known = self.prefix.longest(sequence.keys, sequence.length)
        common = len(known)
        known = known[: self.states.reach(sequence.keys, common)]
        missing = self.config.blocks_for(sequence.length) - len(known)
        spare = self.pool.available - sum(map(self.pool.is_cached, known))
        # One block is kept back for each running sequence, or they would soon throw the newcomer out again.
        if spare < missing + len(self.running) or not self.states.reserve(sequence, len(known), common):
            return False
        for block in known:
            self.pool.share(block)
            sequence.blocks.append(block)
        for _ in range(missing):
            sequence.blocks.append(self.pool.take_surely())
        sequence.computed = len(known) * self.config.block_size
        sequence.published = len(known)
        if sequence.admitted_at is None:
            sequence.admitted_at = time.perf_counter()
            sequence.cached_tokens = sequence.computed
        return True

    def _continue_prompts(self, plan: Plan) -> None:
        """Spend the rest of the budget on prompts, short ones first.

        Short prompts need not wait behind a long one; and the oldest gets at least an equal share of every step, so
        that it is not held up for ever by a stream of short ones.
        """
        if len(plan.chunks) == len(self.running):
            return
        planned = {id(chunk.sequence) for chunk in plan.chunks}
        budget = self.config.max_batched_tokens - len(plan.chunks)
        prompts = [sequence for sequence in self.running if id(sequence) not in planned]
        if not prompts:
            return
        oldest = prompts[0]
        share = min(oldest.pending, -(-budget // len(prompts)))
        for sequence in sorted(prompts, key=lambda prompt: prompt.pending):
            room = budget if sequence is oldest else budget - share
            count = self.states.cut(sequence, min(sequence.pending, room))
            if count > 0:
                plan.chunks.append(Chunk(sequence, sequence.computed, count))
                budget -= count
            if sequence is oldest:
                share = 0
