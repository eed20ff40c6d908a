"""Who computes what in a step, and who holds which blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from scripted import make_engine

from mistralrs import faults
from mistralrs.engine.config import EngineConfig
from mistralrs.engine.output import OutputText, TokenDecoder
from mistralrs.engine.request import Generate
from mistralrs.engine.scheduler import Plan, Scheduler
from mistralrs.engine.sequence import Sequence, Status
from mistralrs.errors import UsageError

BLOCK = 8


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    yield
    faults.install("")


def scheduler(**settings: Any) -> Scheduler:
    sizes = {"num_blocks": 16, "context_length": 1024, "vocab_size": 100, "block_size": BLOCK, "max_batched_tokens": 32}
    return Scheduler(EngineConfig(**{**sizes, **settings}))


def sequence(number: int, length: int, *, first: int | None = None) -> Sequence:
    prompt = np.full(length, number % 100)
    if first is not None:
        prompt[0] = first
    return Sequence(
        Generate(id=number, prompt=tuple(prompt.tolist())),
        prompt,
        seed=0,
        output=OutputText(TokenDecoder(None).stream(), ()),
        adjuster=None,
        arrived_at=0.0,
    )


def counts(plan: Plan) -> dict[int, int]:
    return {chunk.sequence.id: chunk.count for chunk in plan.chunks}


def step(scheduler: Scheduler) -> dict[int, int]:
    """One step as the engine does it, with token 1 as every answer."""
    plan = scheduler.schedule()
    assert sum(chunk.count for chunk in plan.chunks) <= scheduler.config.max_batched_tokens
    for chunk in plan.chunks:
        assert len(chunk.sequence.blocks) * BLOCK >= chunk.end, "every token has a place"
        chunk.sequence.computed = chunk.end
        if chunk.sequence.pending == 0:
            scheduler.publish(chunk.sequence)
            chunk.sequence.append(1)
    return counts(plan)


def test_prompts_and_answers_share_a_step() -> None:
    s = scheduler()
    s.add(sequence(1, 10))
    assert step(s) == {1: 10}
    s.add(sequence(2, 20))
    assert step(s) == {1: 1, 2: 20}
    assert step(s) == {1: 1, 2: 1}


def test_long_prompts_are_cut_to_the_budget() -> None:
    s = scheduler()
    s.add(sequence(1, 70))
    assert [step(s)[1] for _ in range(4)] == [32, 32, 6, 1]


def test_short_prompts_pass_a_long_one_that_goes_on_all_the_same() -> None:
    s = scheduler(num_blocks=64)
    s.add(sequence(1, 400))
    step(s)
    for number in (2, 3, 4):
        s.add(sequence(number, 8))
    plan = step(s)
    assert (plan[2], plan[3], plan[4]) == (8, 8, 8)
    assert plan[1] == 8


def test_a_stream_of_short_prompts_cannot_starve_a_long_one() -> None:
    s = scheduler(num_blocks=64, max_seqs=8)
    long = sequence(0, 120)
    s.add(long)
    for number in range(1, 40):
        short = sequence(number, 24)
        s.add(short)
        step(s)
        for done in [one for one in s.running if one is not long and one.pending == 1]:
            s.remove(done)
    assert long.generated > 0


def test_equal_prompts_go_in_order_of_arrival() -> None:
    s = scheduler()
    for number in (1, 2, 3):
        s.add(sequence(number, 20))
    assert step(s)[1] == 20


def test_max_seqs_bounds_what_runs() -> None:
    s = scheduler(max_seqs=2)
    for number in (1, 2, 3):
        s.add(sequence(number, 4))
    assert set(step(s)) == {1, 2}
    s.remove(s.running[0])
    assert set(step(s)) == {2, 3}


def test_a_prompt_waits_for_all_of_its_blocks() -> None:
    s = scheduler(num_blocks=4)
    s.add(sequence(1, 16))
    s.add(sequence(2, 24))
    assert set(step(s)) == {1}
    assert s.waiting[0].id == 2
    assert not len(s.waiting[0].blocks)
    s.remove(s.running[0])
    assert set(step(s)) == {2}


def test_the_youngest_gives_way_and_comes_back() -> None:
    s = scheduler(num_blocks=3, prefix_cache=False)
    s.add(sequence(1, 7))
    s.add(sequence(2, 7))
    assert set(step(s)) == {1, 2}
    first, second = s.running
    while second.status is Status.RUNNING:
        step(s)
    assert s.preemptions == 1
    assert s.waiting[0] is second
    assert (second.computed, len(second.blocks)) == (0, 0)
    s.remove(first)
    assert step(s) == {2: second.length - 1}, "prompt and answer are computed again"


def test_the_last_one_ends_when_the_pool_is_full() -> None:
    s = scheduler(num_blocks=2)
    s.add(sequence(1, 15))
    step(s)
    step(s)
    assert s.running[0].length == 17
    plan = s.schedule()
    assert [one.id for one in plan.exhausted] == [1]
    assert not plan.chunks
    assert s.pool.available == 2


def test_forced_preemption() -> None:
    s = scheduler()
    s.add(sequence(1, 10))
    s.add(sequence(2, 10))
    step(s)
    faults.install("scheduler.preempt=flag")
    step(s)
    assert s.preemptions == 1
    assert s.running[-1].id == 2


def test_known_prefixes_are_not_computed_again() -> None:
    s = scheduler()
    s.add(sequence(1, 20))
    step(s)
    s.add(sequence(1001, 20))
    s.waiting[0].tokens = sequence(1, 20).tokens
    assert step(s) == {1: 1, 1001: 4}
    assert s.running[1].cached_tokens == 16
    assert s.running[0].blocks.array[:2].tolist() == s.running[1].blocks.array[:2].tolist()


def test_what_is_not_proved_sound_is_not_shared() -> None:
    s = scheduler()
    s.add(sequence(1, 40))
    step(s)
    assert s.running[0].pending > 0
    s.add(sequence(1, 40))
    step(s)
    assert s.running[1].cached_tokens == 0


@pytest.mark.parametrize("state", ["queued", "prefilling", "decoding", "preempted"])
def test_removal_in_every_state_gives_all_blocks_back(state: str) -> None:
    s = scheduler(num_blocks=64, max_seqs=2)
    s.add(sequence(1, 4))
    s.add(sequence(2, 60))
    s.add(sequence(3, 4))
    queued = s.waiting[2]
    step(s)
    victim = {"queued": queued, "prefilling": s.running[1]}.get(state, s.running[0])
    if state == "decoding":
        step(s)
    if state == "preempted":
        s._preempt(victim)
    s.remove(victim)
    s.remove(victim)
    assert victim.status is Status.FINISHED
    for other in [*s.running, *s.waiting]:
        s.remove(other)
    assert s.pool.available == s.pool.size
    assert not s.has_work


def test_a_damaged_sequence_leaves_nothing_behind() -> None:
    s = scheduler()
    s.add(sequence(1, 20))
    step(s)
    s.add(sequence(1, 20))
    step(s)
    shared = s.running[0].blocks.array[:2].tolist()
    to_wipe = s.discard(s.running[1])
    assert not set(shared) & set(to_wipe), "somebody else still reads these"
    s.add(sequence(1, 20))
    step(s)
    assert s.running[1].cached_tokens == 0


def test_many_prompts_for_a_small_pool_all_finish() -> None:
    s = scheduler(num_blocks=8, max_seqs=8, prefix_cache=False)
    everything = [sequence(number, 30) for number in range(8)]
    for one in everything:
        s.add(one)
    for _ in range(400):
        step(s)
        for done in [one for one in s.running if one.generated >= 10]:
            s.remove(done)
        if not s.has_work:
            break
    assert all(one.status is Status.FINISHED for one in everything)
    assert s.pool.available == 8


@pytest.mark.parametrize(
    "wrong",
    [{"block_size": 4}, {"num_blocks": 0}, {"max_seqs": 0}, {"max_seqs": 64, "max_batched_tokens": 32}],
)
def test_impossible_configurations_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        make_engine(**wrong)
