"""Recurrent states in the engine: batching, preemption, prefixes, failures. Answers show any wrong state."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recurrent import RecurrentModel, answer_to, make_recurrent
from scripted import POISON, generate, random_prompt, run

from mistralrs import faults
from mistralrs.errors import EngineError, UsageError


@pytest.fixture(params=[False, True], ids=["states only", "hybrid"])
def model(request: pytest.FixtureRequest) -> RecurrentModel:
    return RecurrentModel(attends=request.param)


def test_ragged_batches(model: RecurrentModel) -> None:
    prompts = {index: random_prompt(index, 3 + 11 * index) for index in range(7)}
    engine = make_recurrent(model, max_batched_tokens=16)
    answers = run(engine, *(generate(index, prompt) for index, prompt in prompts.items()))
    assert any(1 in batch and max(batch) > 1 for batch in model.batches), "chunks beside single tokens"
    for index, prompt in prompts.items():
        assert answers[index].tokens == answer_to(prompt, 8)


def test_the_same_prompt_starts_at_its_last_border(model: RecurrentModel) -> None:
    engine, prompt = make_recurrent(model), random_prompt(1, 30)
    first = run(engine, generate(1, prompt))[1]
    again = run(engine, generate(2, prompt))[2]
    assert (first.finished.usage.cached_tokens, again.finished.usage.cached_tokens) == (0, 24)
    assert first.tokens == again.tokens == answer_to(prompt, 8)


def test_a_conversation_goes_on_from_the_answer() -> None:
    engine, prompt = make_recurrent(), random_prompt(2, 20)
    first = run(engine, generate(1, prompt, max_tokens=15))[1]
    longer = (*prompt, *first.tokens, *random_prompt(3, 6))
    second = run(engine, generate(2, longer))[2]
    assert second.finished.usage.cached_tokens == 32  # of 34 that were computed
    assert second.tokens == answer_to(longer, 8)


def test_a_common_beginning_is_kept_when_it_shows() -> None:
    engine, common = make_recurrent(RecurrentModel(attends=True)), random_prompt(4, 24)
    cached = []
    for index in range(4):
        prompt = (*common, *random_prompt(10 + index, 20))
        answer = run(engine, generate(index, prompt))[index]
        assert answer.tokens == answer_to(prompt, 8)
        cached.append(answer.finished.usage.cached_tokens)
    # The second prompt finds blocks but no state where the two part, and leaves one there.
    assert cached == [0, 0, 24, 24]


def test_only_the_latest_state_of_an_answer_is_kept() -> None:
    engine = make_recurrent()
    run(engine, generate(1, random_prompt(5, 20), max_tokens=100))
    assert engine.scheduler.states.pool.cached == 2


def test_prefix_reuse_can_be_off() -> None:
    engine, prompt = make_recurrent(prefix_cache=False), random_prompt(6, 30)
    for index in range(2):
        answer = run(engine, generate(index, prompt))[index]
        assert answer.finished.usage.cached_tokens == 0
        assert answer.tokens == answer_to(prompt, 8)
    assert engine.scheduler.states.pool.cached == 0


@pytest.mark.parametrize("num_states", [2, 3, 5])
def test_few_states_make_requests_wait_but_never_wrong(num_states: int) -> None:
    engine, common = make_recurrent(num_states=num_states), random_prompt(7, 16)
    prompts = {index: (*common, *random_prompt(20 + index, 5 + index)) for index in range(5)}
    answers = run(engine, *(generate(index, prompt) for index, prompt in prompts.items()))
    assert all(answers[index].tokens == answer_to(prompt, 8) for index, prompt in prompts.items())


def test_preemption_for_want_of_blocks() -> None:
    engine = make_recurrent(RecurrentModel(attends=True), num_blocks=12, max_seqs=4)
    prompts = {index: random_prompt(30 + index, 18) for index in range(5)}
    answers = run(engine, *(generate(index, prompt, max_tokens=40) for index, prompt in prompts.items()))
    assert engine.scheduler.preemptions > 0
    assert all(answers[index].tokens == answer_to(prompt, 40) for index, prompt in prompts.items())


def test_forced_preemption(model: RecurrentModel) -> None:
    engine = make_recurrent(model)
    prompts = {index: random_prompt(40 + index, 15 + index) for index in range(3)}
    for index, prompt in prompts.items():
        engine.add(generate(index, prompt, max_tokens=20))
    faults.install("scheduler.preempt=flag@4")
    try:
        answers = run(engine)
    finally:
        faults.install("")
    assert engine.scheduler.preemptions > 3
    assert all(answers[index].tokens == answer_to(prompt, 20) for index, prompt in prompts.items())


def test_abort_gives_states_back() -> None:
    engine = make_recurrent()
    for index in range(4):
        engine.add(generate(index, random_prompt(50 + index, 30)))
    engine.step()
    assert engine.scheduler.states.pool.used >= 8
    for index in range(4):
        engine.abort(index)
    engine.check_idle()
    assert engine.scheduler.states.pool.used == 0


def test_a_step_that_failed_half_way_is_run_again_from_the_same_states() -> None:
    engine = make_recurrent(RecurrentModel(fails=True))
    prompts = {index: random_prompt(60 + index, 9 + index) for index in range(3)}
    answers = run(engine, *(generate(index, prompt) for index, prompt in prompts.items()))
    assert all(answers[index].tokens == answer_to(prompt, 8) for index, prompt in prompts.items())


def test_nan_stays_with_its_request() -> None:
    engine = make_recurrent(num_states=3)
    bad = (*random_prompt(70, 18), POISON, *random_prompt(71, 9))
    good = random_prompt(72, 12)
    answers = run(engine, generate(1, bad), generate(2, good), generate(3, bad))
    assert (answers[1].reason, answers[3].reason) == ("error", "error")
    assert answers[2].tokens == answer_to(good, 8)
    assert answers[3].finished.usage.cached_tokens == 0


def test_end_all_forgets_states() -> None:
    engine, prompt = make_recurrent(), random_prompt(80, 30)
    run(engine, generate(1, prompt))
    engine.add(generate(2, prompt))
    engine.step()
    engine.end_all()
    engine.check_idle()
    answer = run(engine, generate(3, prompt))[3]
    assert answer.finished.usage.cached_tokens == 0
    assert answer.tokens == answer_to(prompt, 8)


def test_sizes_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="num_states must be 0 or at least 2"):
        make_recurrent(num_states=1)
    with pytest.raises(EngineError, match="gets no states"):
        make_recurrent(num_states=0)


@settings(max_examples=25, deadline=None)
@given(
    parts=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(1, 12)), min_size=1, max_size=8),
    num_states=st.integers(2, 14),
    num_blocks=st.integers(10, 40),
    budget=st.sampled_from([8, 13, 40]),
)
def test_any_mix_of_requests(parts: list[tuple[int, int, int]], num_states: int, num_blocks: int, budget: int) -> None:
    """Prompts that share beginnings, pools of any size: the answers never depend on them."""
    engine = make_recurrent(
        RecurrentModel(attends=True), num_states=num_states, num_blocks=num_blocks, max_batched_tokens=budget
    )
    common = [random_prompt(90, 17), random_prompt(91, 33), ()]
    prompts = [(*common[which], *random_prompt(length, length + 1)) for which, length, _ in parts]
    requests = [generate(index, prompt, max_tokens=parts[index][2]) for index, prompt in enumerate(prompts)]
    half = len(requests) // 2
    answers = {**run(engine, *requests[:half]), **run(engine, *requests[half:])}
    for index, prompt in enumerate(prompts):
        assert answers[index].tokens == answer_to(prompt, parts[index][2])
