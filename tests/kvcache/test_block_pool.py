"""The block pool and the prefix cache keep their promises under any order of operations."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from mistralrs.errors import EngineError
from mistralrs.kvcache.blocks import BlockPool
from mistralrs.kvcache.prefix import PrefixCache

BLOCK = 2


class Holder:
    """What a scheduler keeps of one sequence, and what its blocks really contain."""

    def __init__(self, tokens: tuple[int, ...], blocks: list[int]) -> None:
        self.tokens = tokens
        self.blocks = blocks


class PoolMachine(RuleBasedStateMachine):
    """Sequences come, share prefixes, publish and go; ``content`` is what a forward pass would have written."""

    holders = Bundle("holders")

    @initialize(size=st.integers(1, 8))
    def start(self, size: int) -> None:
        self.pool = BlockPool(size)
        self.prefix = PrefixCache(self.pool, BLOCK)
        self.content: dict[int, tuple[int, ...]] = {}
        self.alive: list[Holder] = []

    @rule(target=holders, tokens=st.lists(st.integers(0, 1), min_size=1, max_size=9).map(tuple))
    def admit(self, tokens: tuple[int, ...]) -> object:
        keys: list[bytes] = []
        self.prefix.extend(keys, np.array(tokens))
        known = self.prefix.longest(keys, len(tokens))
        assert len(known) * BLOCK < len(tokens), "one token is always left to compute"
        for index, block in enumerate(known):
            assert self.content[block] == tokens[: (index + 1) * BLOCK], "a hit must hold exactly this prefix"
        missing = -(-len(tokens) // BLOCK) - len(known)
        if self.pool.available - sum(map(self.pool.is_cached, known)) < missing:
            return multiple()
        for block in known:
            self.pool.share(block)
        fresh = [self.pool.take_surely() for _ in range(missing)]
        assert not any(block in holder.blocks for holder in self.alive for block in fresh)
        for index, block in enumerate(fresh, start=len(known)):
            self.content[block] = tokens[: (index + 1) * BLOCK]
        holder = Holder(tokens, known + fresh)
        self.alive.append(holder)
        return holder

    @rule(holder=holders)
    def publish(self, holder: Holder) -> None:
        keys: list[bytes] = []
        self.prefix.extend(keys, np.array(holder.tokens))
        for block, key in zip(holder.blocks, keys, strict=False):
            self.pool.publish(block, key)

    @rule(holder=consumes(holders), damaged=st.booleans())
    def leave(self, holder: Holder, damaged: bool) -> None:
        if damaged:
            self.pool.forget(holder.blocks)
        self.pool.release(holder.blocks)
        self.alive.remove(holder)

    @invariant()
    def every_block_is_in_one_state(self) -> None:
        held = {block for holder in self.alive for block in holder.blocks}
        assert self.pool.used == len(held)
        assert self.pool.free + self.pool.cached + self.pool.used == self.pool.size
        assert self.pool.available == self.pool.free + self.pool.cached
        assert all(self.pool.is_held(block) == (block in held) for block in range(self.pool.size))


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPool = PoolMachine.TestCase


def key(text: str) -> bytes:
    return sha256(text.encode()).digest()


def test_the_least_recently_used_prefix_is_reused_first() -> None:
    pool = BlockPool(3)
    for name in "abc":
        block = pool.take_surely()
        pool.publish(block, key(name))
        pool.release([block])
    hit = pool.find(key("a"))
    assert hit is not None
    pool.share(hit)
    pool.release([hit])
    assert pool.evictions == 0
    assert pool.take() is not None
    assert pool.evictions == 1
    assert pool.find(key("b")) is None
    assert pool.find(key("a")) == hit


def test_the_end_of_a_sequence_is_reused_before_its_beginning() -> None:
    pool = BlockPool(2)
    first, second = pool.take_surely(), pool.take_surely()
    pool.publish(first, key("first"))
    pool.publish(second, key("second"))
    pool.release([first, second])
    assert pool.take() == second


def test_a_forgotten_block_is_free_at_once_when_nobody_holds_it() -> None:
    pool = BlockPool(1)
    block = pool.take_surely()
    pool.publish(block, key("bad"))
    pool.release([block])
    assert (pool.free, pool.cached) == (0, 1)
    pool.forget([block])
    assert (pool.free, pool.cached) == (1, 0)
    assert pool.find(key("bad")) is None


def test_an_empty_pool_says_so() -> None:
    pool = BlockPool(1)
    pool.take_surely()
    assert pool.take() is None
    with pytest.raises(EngineError, match="all 1 cache blocks"):
        pool.take_surely()
