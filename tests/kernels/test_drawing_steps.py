"""Steps that draw their own tokens: the same answers as drawing from the logits that a step returns."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mistralrs import faults
from mistralrs.engine import drawing
from mistralrs.engine.config import EngineConfig
from mistralrs.engine.engine import Engine
from mistralrs.engine.request import Finished, FinishReason, Generate, SamplingParams, Tokens
from mistralrs.engine.runner import ModelRunner
from mistralrs.engine.sampling import LOWEST_LOGPROB, told, with_logprobs
from mistralrs.ops import Choice, Ops, Program, StepContext, StepOutput
from mistralrs_plugins.kernels.cpu.program import choosing
from mistralrs_plugins.kernels.cpu.program import program as compiled
from mistralrs_plugins.kernels.cpu.program.arguments import Number
from mistralrs_plugins.kernels.cpu.program.step import CompiledStep
from mistralrs_plugins.kernels.cpu.threads import shared_pool
from tests.kernels.test_prompts import CONFIG, models

pytestmark = pytest.mark.usefixtures("product_kernels")

VOCAB = CONFIG["vocab_size"]
WAYS: list[dict[str, Any]] = [
    {"temperature": 0.0},
    {},
    {"top_k": 5, "temperature": 0.7},
    {"top_p": 0.9, "min_p": 0.05},
    {"top_p": 0.9, "top_logprobs": 3},
]
PENALTIES = {"repetition_penalty": 1.2, "presence_penalty": 0.2, "frequency_penalty": 0.3}
MORE: list[dict[str, Any]] = [
    {"temperature": 0.0, **PENALTIES},
    {"dry_multiplier": 0.8, "top_p": 0.9, "top_logprobs": 0},
    {"logit_bias": {3: 4.0, 9: -100.0}, "top_k": 20},
    {**PENALTIES, "dry_multiplier": 0.8, "logit_bias": {5: 2.0}, "min_p": 0.05, "top_logprobs": 20},
    {"top_logprobs": 2},
]


class Steps:
    """An engine of a small compiled model, which counts the steps that drew."""

    def __init__(self) -> None:
        _, fast = models("q8_0")
        self.drew: list[bool] = []
        self.program = Program(fast.module.module)  # compiled anew, for the runner's cache
        specs = fast.builder.caches
        runner = ModelRunner(self, specs, Ops(fast.table), VOCAB, torch.device("cpu"), torch.float32)
        config = EngineConfig(num_blocks=64, block_size=8, context_length=200, vocab_size=VOCAB, max_seqs=8)
        self.engine = Engine(runner, None, config)
        runner.warm_up()

    def __call__(self, context: StepContext) -> torch.Tensor:
        logits: torch.Tensor = self.program(context)
        if context.out is not None:
            self.drew.append(context.out.drawn)
        return logits

    def answers(self, ways: list[dict[str, Any]], count: int = 40) -> list[Any]:
        """Every message about requests that are answered beside each other, the first of which ends early."""
        self.drew.clear()
        for index, way in enumerate(ways):
            sampling = SamplingParams(**way, seed=index, max_tokens=count - 20 * (index == 0))
            self.engine.add(Generate(id=index, prompt=tuple(range(index + 1, 9)), sampling=sampling))
        said = []
        while self.engine.has_work:
            said += self.engine.step()
        return [each for each in said if isinstance(each, Tokens)]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    made = Steps()
    assert isinstance(made.program._run, CompiledStep)
    return made


def test_what_a_step_draws_is_what_is_drawn_from_its_logits(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    by_steps = steps.answers(WAYS)
    assert all(steps.drew)
    monkeypatch.setattr(drawing, "_settings", lambda sequences: None)
    assert steps.answers(WAYS) == by_steps
    assert not any(steps.drew)


def test_a_step_also_changes_logits_and_tells_probabilities(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long enough for what is kept of a request to move."""
    by_steps = steps.answers(MORE, 150)
    assert all(steps.drew)
    monkeypatch.setattr(drawing, "_settings", lambda sequences: None)
    assert steps.answers(MORE, 150) == by_steps
    assert not any(steps.drew)
    assert {each.id: len(each.top_logprobs[0]) for each in by_steps if each.logprobs} == {1: 0, 3: 20, 4: 2}


@pytest.mark.parametrize("ways", [WAYS, MORE])
def test_long_rows_are_shared_out_by_a_step(ways: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "PIECE", 64)
    steps = Steps()
    monkeypatch.setattr(choosing, "shares_out", lambda rows, vocab: False)
    by_rows = steps.answers(ways)
    monkeypatch.setattr(choosing, "shares_out", lambda rows, vocab: True)
    assert steps.answers(ways) == by_rows
    assert all(steps.drew)


def test_what_a_step_tells_of_tokens_without_a_chance() -> None:
    logits = torch.randn(2, 300, generator=torch.Generator().manual_seed(1))
    logits[0, 5:] = -torch.inf
    given, most = logits.clone(), Choice(torch.zeros(2, 5, dtype=torch.float64), [None, None], [20, 3])
    out = StepOutput(logits, torch.zeros(2, dtype=torch.int64), None, most)
    stages = choosing.Choosing(300, full=True)
    program = compiled.Program(stages.stages)
    program.fit(2, shared_pool())
    program.numbers[Number.ROWS], program.numbers[Number.LOGITS] = 2, logits.data_ptr()
    assert stages.begin(program, out, 2)
    program.run()
    assert out.tokens.tolist() == given.argmax(dim=1).tolist()
    expected = with_logprobs(Ops(models("q8_0")[1].table), given, out.tokens.tolist(), [20, 3])
    assert told(most.tokens.numpy(), most.logprobs.numpy(), [20, 3]) == expected
    assert expected[0].top[-1].logprob == LOWEST_LOGPROB


def test_a_request_that_changes_its_logits_leaves_those_beside_it_alone(steps: Steps) -> None:
    alone = [each for each in steps.answers([*WAYS[:2], {"temperature": 0.0}]) if each.id == 1]
    beside = [each for each in steps.answers([*WAYS[:2], {"logit_bias": {3: 100.0}}]) if each.id == 1]
    assert alone == beside
    assert all(steps.drew)


@pytest.mark.parametrize("when", [37, 38])
def test_logits_that_a_step_has_changed_are_as_before_when_it_returns(steps: Steps, when: int) -> None:
    """One row of the nineteenth step goes bad after it, so that the other is drawn anew from the logits."""
    wanted = steps.answers([MORE[0], MORE[3]])
    faults.install(f"step.logits=flag@{when}")
    try:
        said = steps.answers([MORE[0], MORE[3]])
    finally:
        faults.install("")
    kept = [[each for each in said if each.id == index] for index in (0, 1)]
    whole = [[each for each in wanted if each.id == index] for index in (0, 1)]
    assert sorted(a == b for a, b in zip(kept, whole, strict=True)) == [False, True]
    assert all(a in (b, b[:18]) for a, b in zip(kept, whole, strict=True))


def test_logits_that_go_bad_after_the_step_are_not_overlooked(steps: Steps) -> None:
    faults.install("step.logits=flag@3")
    try:
        steps.engine.add(Generate(id=1, prompt=(1, 2), sampling=SamplingParams(max_tokens=9)))
        said = []
        while steps.engine.has_work:
            said += steps.engine.step()
    finally:
        faults.install("")
    assert isinstance(said[-1], Finished)
    assert said[-1].reason is FinishReason.ERROR
    assert len(said) == 3
