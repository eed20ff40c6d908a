"""Requests through the whole engine: right answers, right ends, nobody in the way of anybody."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import VOCAB, Row, ScriptedModel, expected, generate, make_engine, random_prompt, run, scripted
from small_tokenizers import byte_level

from mistralrs import faults
from mistralrs.engine.request import Generate, SamplingParams, Tokens
from mistralrs.errors import RequestError, UsageError

EOS = 0
FLAT = Row((0.0,) * VOCAB)


@pytest.fixture(autouse=True)
def no_faults() -> Iterator[None]:
    yield
    faults.install("")


def test_one_answer() -> None:
    answer = run(make_engine(), generate(1, [3, 4, 5], max_tokens=20))[1]
    assert answer.tokens == expected([3, 4, 5], 20)
    assert answer.reason == "length"
    usage = answer.finished.usage
    assert (usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens) == (3, 0, 20)
    assert min(usage.queue_seconds, usage.prompt_seconds, usage.completion_seconds) >= 0


@pytest.mark.parametrize("prefix_cache", [True, False])
@pytest.mark.parametrize("budget", [8, 13, 64])
@pytest.mark.parametrize("blocks", [14, 64])
def test_answers_do_not_depend_on_how_they_are_computed(prefix_cache: bool, budget: int, blocks: int) -> None:
    engine = make_engine(
        num_blocks=blocks, max_batched_tokens=budget, max_seqs=6, prefix_cache=prefix_cache, max_waiting=99
    )
    shared = random_prompt(0, 30)
    prompts = [shared[: 5 * n] + random_prompt(n, 3 + 7 * n % 50) for n in range(12)]
    answers = run(engine, *(generate(n, prompt, max_tokens=25) for n, prompt in enumerate(prompts)))
    for number, prompt in enumerate(prompts):
        assert answers[number].tokens == expected(prompt, 25)
    if blocks == 14:
        assert engine.stats().preemptions > 0


@pytest.mark.parametrize("every", [1, 2, 3])
def test_forced_preemption_changes_nothing(every: int) -> None:
    faults.install(f"scheduler.preempt=flag@{every}")
    engine = make_engine(max_batched_tokens=32)
    prompts = {n: random_prompt(n, 10 * n + 1) for n in range(4)}
    answers = run(engine, *(generate(n, prompt, max_tokens=12) for n, prompt in prompts.items()))
    assert {n: answer.tokens for n, answer in answers.items()} == {n: expected(p, 12) for n, p in prompts.items()}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 30), st.integers(0, 2)), min_size=1, max_size=10),
    st.integers(8, 24),
    st.sampled_from([8, 20, 64]),
    st.integers(1, 6),
)
def test_any_load_on_any_size_comes_to_the_right_end(
    load: list[tuple[int, int, int]], blocks: int, budget: int, max_seqs: int
) -> None:
    engine = make_engine(num_blocks=blocks, max_batched_tokens=budget, max_seqs=max_seqs)
    prompts = [random_prompt(seed, length) for length, _, seed in load]
    requests = [generate(n, p, max_tokens=load[n][1]) for n, p in enumerate(prompts)]
    answers = run(engine, *requests)
    for number, prompt in enumerate(prompts):
        answer = answers[number]
        assert answer.tokens == expected(prompt, load[number][1])[: len(answer.tokens)]
        complete = len(answer.tokens) == load[number][1]
        assert complete or len(prompt) + len(answer.tokens) > blocks * 8, "only a full cache may end it early"


def test_a_second_request_reuses_the_first_ones_prefix() -> None:
    engine = make_engine()
    prompt = random_prompt(1, 50)
    first = run(engine, generate(1, prompt))[1]
    second = run(engine, generate(2, prompt))[2]
    assert second.tokens == first.tokens
    assert second.finished.usage.cached_tokens == 48
    longer = run(engine, generate(3, (*prompt, *first.tokens)))[3]
    assert longer.finished.usage.cached_tokens == 56, "answers are cached as well"
    assert engine.stats().prefix_hit_tokens == 48 + 56


def test_salts_keep_caches_apart() -> None:
    engine = make_engine()
    prompt = random_prompt(1, 50)
    sampling = SamplingParams(temperature=0, max_tokens=2)
    cached = []
    for number, salt in enumerate(["", "alice", "bob", "alice"]):
        request = Generate(id=number, prompt=prompt, sampling=sampling, cache_salt=salt)
        cached.append(run(engine, request)[number].finished.usage.cached_tokens)
    assert cached == [0, 0, 0, 48]


def test_the_cache_gives_way_to_new_requests() -> None:
    engine = make_engine(num_blocks=8)
    for number in range(20):
        prompt = random_prompt(number, 30)
        assert run(engine, generate(number, prompt))[number].tokens == expected(prompt, 8)
    stats = engine.stats()
    assert stats.free_blocks + stats.cached_blocks == stats.total_blocks == 8
    assert stats.preemptions == 0


# -- ends ----------------------------------------------------------------------------------------------------------


def test_end_of_sequence() -> None:
    model = ScriptedModel(scripted({(1,): [5, 6, EOS, 7]}))
    engine = make_engine(model, eos_ids=frozenset({EOS}))
    answers = run(
        engine,
        generate(1, [1]),
        generate(2, [1], ignore_eos=True, max_tokens=4),
        generate(3, [1], stop_token_ids=(6,)),
        generate(4, [1], ignore_eos=True, stop_token_ids=(EOS,)),
    )
    assert [answers[n].tokens for n in (1, 2, 3, 4)] == [(5, 6, EOS), (5, 6, EOS, 7), (5, 6), (5, 6, EOS)]
    assert [answers[n].reason for n in (1, 2, 3, 4)] == ["stop", "length", "stop", "stop"]


def ids(text: str) -> list[int]:
    return byte_level().encode(text, add_special_tokens=False).ids


def text_engine(answer: str, **settings: Any) -> Any:
    model = ScriptedModel(scripted({(1, 2): ids(answer)}))
    return make_engine(model, byte_level(), **settings)


def test_stop_strings_end_the_text_before_them() -> None:
    engine = text_engine("abc def ghi")
    answer = run(engine, generate(1, [1, 2], stop=("ef g", "zz"), max_tokens=50))[1]
    assert answer.text == "abc d"
    assert (answer.reason, answer.finished.stop) == ("stop", "ef g")


def test_text_held_back_for_a_stop_is_shown_at_the_end() -> None:
    answer = run(text_engine("abc def"), generate(1, [1, 2], stop=("def!",), max_tokens=7))[1]
    assert (answer.text, answer.reason, answer.finished.stop) == ("abc def", "length", None)


def test_a_prompt_does_not_show_in_the_text() -> None:
    prompt = (*ids("secret"), byte_level().token_to_id("\u00f0"))
    model = ScriptedModel(scripted({prompt: ids("ok")}))
    answer = run(make_engine(model, byte_level()), generate(1, prompt, max_tokens=2))[1]
    assert answer.text == "ok"


def test_context_limit() -> None:
    engine = make_engine(context_length=32)
    answers = run(engine, generate(1, random_prompt(1, 20), max_tokens=99), generate(2, random_prompt(2, 32)))
    assert [len(answers[n].tokens) for n in (1, 2)] == [12, 1]
    assert answers[1].reason == answers[2].reason == "length"


def test_an_exhausted_cache_ends_the_last_request_with_length() -> None:
    engine = make_engine(num_blocks=3)
    answer = run(engine, generate(1, random_prompt(1, 10), max_tokens=200))[1]
    assert answer.reason == "length"
    assert answer.tokens == expected(random_prompt(1, 10), 3 * 8 - 10 + 1)
    assert run(engine, generate(2, [5]))[2].tokens == expected([5], 8)


# -- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ((), "empty"),
        ((VOCAB,), f"token id {VOCAB} is outside the vocabulary of {VOCAB}"),
        ((1, -1), "token id -1"),
        ((2**63,), "list of token ids"),
        ((2**200,), "list of token ids"),
        ((1.5,), "list of token ids"),
        ((True, False), "list of token ids"),
        (("a",), "list of token ids"),
        (((1, 2), (3,)), "list of token ids"),
    ],
    ids=str,
)
def test_bad_prompts_are_refused(prompt: Any, says: str) -> None:
    engine = make_engine()
    with pytest.raises(RequestError, match=says) as caught:
        engine.add(Generate(id=1, prompt=prompt))
    assert caught.value.param == "prompt"
    assert not engine.has_work


@pytest.mark.parametrize("length", [257, 2560])
def test_a_prompt_over_the_context_is_refused_with_both_numbers(length: int) -> None:
    with pytest.raises(RequestError, match=rf"{length} tokens, the context is limited to 256") as caught:
        make_engine(num_blocks=8).add(generate(1, [1] * length))
    assert caught.value.code == "context_length_exceeded"


def test_a_prompt_over_the_cache_is_refused_with_both_numbers() -> None:
    with pytest.raises(RequestError, match="100 tokens, the whole cache holds 64") as caught:
        make_engine(num_blocks=8).add(generate(1, [1] * 100))
    assert caught.value.code == "context_too_large_for_cache"


@pytest.mark.parametrize(("max_tokens", "kept"), [(None, 255), (56, 200), (255, 1), (256, 1), (10**6, 1)])
def test_truncation_keeps_the_end_of_the_prompt(max_tokens: int | None, kept: int) -> None:
    prompt = random_prompt(4, 400)
    sampling = SamplingParams(temperature=0, max_tokens=max_tokens, stop_token_ids=tuple(range(VOCAB)))
    answer = run(make_engine(), Generate(id=1, prompt=prompt, sampling=sampling, truncate=True))[1]
    assert answer.finished.usage.prompt_tokens == kept
    assert answer.tokens == expected(prompt[-kept:], 1)


def test_a_prompt_that_fits_is_not_truncated() -> None:
    prompt = random_prompt(4, 256)
    request = Generate(id=1, prompt=prompt, sampling=SamplingParams(temperature=0, max_tokens=100), truncate=True)
    assert run(make_engine(), request)[1].finished.usage.prompt_tokens == 256


def test_the_queue_is_bounded() -> None:
    engine = make_engine(max_waiting=3)
    for number in range(3):
        engine.add(generate(number, [1]))
    with pytest.raises(RequestError, match="3 requests are waiting") as caught:
        engine.add(generate(3, [1]))
    assert caught.value.code == "overloaded"
    assert sorted(run(engine)) == [0, 1, 2]


def test_an_id_in_use_is_refused_and_its_owner_unharmed() -> None:
    engine = make_engine()
    engine.add(generate(1, [5]))
    with pytest.raises(RequestError, match="exists already"):
        engine.add(generate(1, [6]))
    assert run(engine)[1].tokens == expected([5], 8)


def test_parameters_are_checked_against_the_vocabulary() -> None:
    wrong: list[dict[str, Any]] = [
        {"logit_bias": {VOCAB: 1.0}},
        {"stop_token_ids": (-1,)},
        {"temperature": float("nan")},
        {"dry_sequence_breakers": ("x",) * 65},
        {"dry_sequence_breakers": ("x" * 65,)},
    ]
    for sampling in wrong:
        with pytest.raises(RequestError) as caught:
            make_engine().add(generate(1, [1], **sampling))
        assert caught.value.param == next(iter(sampling))


def test_more_token_ids_than_logits_are_refused() -> None:
    with pytest.raises(UsageError, match="vocab_size"):
        make_engine(vocab_size=VOCAB + 1)


# -- aborts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["queued", "prefilling", "decoding", "preempted", "finished", "unknown"])
def test_abort_in_every_state(state: str) -> None:
    engine = make_engine(max_seqs=2, max_batched_tokens=16)
    golden = random_prompt(9, 4)
    engine.add(generate(0, golden, max_tokens=20))
    engine.add(generate(1, random_prompt(1, 60 if state == "prefilling" else 4), max_tokens=20))
    engine.add(generate(2, random_prompt(2, 4), max_tokens=20))
    victim = {"queued": 2, "unknown": 77}.get(state, 1)
    outputs = [output for _ in range(3) for output in engine.step()]
    if state == "preempted":
        engine.scheduler._preempt(engine.scheduler.running[1])
    if state == "finished":
        while not any(output.id == 1 and not isinstance(output, Tokens) for output in outputs):
            outputs += engine.step()
    engine.abort(victim)
    engine.abort(victim)
    while engine.has_work:
        outputs += engine.step()
    engine.check_idle()
    ends = {output.id: output.reason.value for output in outputs if not isinstance(output, Tokens)}
    assert len([output for output in outputs if not isinstance(output, Tokens)]) == 3
    assert ends[0] == "length"
    if state not in ("finished", "unknown"):
        assert ends.pop(victim) == "canceled"
    assert set(ends.values()) == {"length"}
    tokens = tuple(t for output in outputs if isinstance(output, Tokens) and output.id == 0 for t in output.tokens)
    assert tokens == expected(golden, 20)


def test_an_abort_storm_leaves_nothing_behind() -> None:
    rng = random.Random(7)
    engine = make_engine(num_blocks=24, max_seqs=8, max_waiting=500)
    shared = random_prompt(0, 40)
    outputs = []
    for number in range(300):
        prompt = shared[: rng.randrange(1, 40)] + random_prompt(number, rng.randrange(1, 60))
        engine.add(generate(number, prompt, max_tokens=rng.randrange(1, 30)))
        if rng.random() < 0.7:
            outputs += engine.step()
        engine.abort(rng.randrange(number + 1))
    while engine.has_work:
        outputs += engine.step()
    engine.check_idle()
    ends = [output.id for output in outputs if not isinstance(output, Tokens)]
    assert sorted(ends) == list(range(300))


# -- sampling in the engine ----------------------------------------------------------------------------------------


def flat(past: tuple[int, ...]) -> Row:
    return FLAT


def test_a_seed_gives_the_same_answer_under_load() -> None:
    sampling = {"temperature": 1.0, "seed": 42, "max_tokens": 30, "top_k": 50}
    prompt = random_prompt(1, 9)
    alone = run(make_engine(ScriptedModel(flat)), generate(1, prompt, **sampling))[1].tokens
    assert len(set(alone)) > 10
    faults.install("scheduler.preempt=flag@3")
    engine = make_engine(ScriptedModel(flat), num_blocks=20)
    others = [generate(n, random_prompt(n, n), temperature=1.0, max_tokens=20) for n in range(2, 12)]
    loaded = run(engine, *others[:5], generate(1, prompt, **sampling), *others[5:])[1].tokens
    assert loaded == alone


def test_without_a_seed_answers_differ_but_follow_the_engines() -> None:
    def answers(seed: int | None) -> list[tuple[int, ...]]:
        engine = make_engine(ScriptedModel(flat), seed=seed)
        found = run(engine, *(generate(n, [5], temperature=1.0, max_tokens=20) for n in range(2)))
        return [found[n].tokens for n in range(2)]

    assert len(set(answers(1))) == 2
    assert answers(1) == answers(1) != answers(2)


def test_log_probabilities_come_with_every_token() -> None:
    engine = make_engine()
    engine.add(generate(1, [3], top_logprobs=2, max_tokens=3, temperature=2.0))
    parts = []
    while engine.has_work:
        parts += [output for output in engine.step() if isinstance(output, Tokens)]
    assert len(parts) == 3
    for part in parts:
        assert part.logprobs[0].token == part.tokens[0]
        assert part.logprobs[0].logprob == pytest.approx(0, abs=1e-4)
        assert len(part.top_logprobs[0]) == 2


def test_dry_breakers_are_read_with_the_tokenizer() -> None:
    engine = text_engine("ab")
    engine.add(generate(1, [1, 2], dry_multiplier=1.0, dry_sequence_breakers=("\n", "xb", "")))
    adjuster = engine.scheduler.waiting[0].adjuster
    assert sorted(adjuster.changes().breakers.tolist()) == sorted({ids("\n")[0], ids("b")[0]})


def test_statistics() -> None:
    engine = make_engine(max_seqs=1, max_batched_tokens=32)
    engine.add(generate(1, random_prompt(1, 20), max_tokens=5))
    engine.add(generate(2, [2], max_tokens=5))
    engine.step()
    stats = engine.stats()
    assert (stats.running, stats.waiting, stats.free_blocks, stats.total_blocks) == (1, 1, 61, 64)
    run(engine)
    stats = engine.stats()
    assert (stats.running, stats.waiting, stats.steps) == (0, 0, 10)
    assert (stats.prompt_tokens, stats.generated_tokens) == (21, 10)
    assert stats.tokens_per_second > 0
