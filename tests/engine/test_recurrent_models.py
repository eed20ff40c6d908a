"""Tiny models with recurrent layers through the whole engine: the answers are those of the model on its own."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from scripted import generate, random_prompt, run

from mistralrs import faults
from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.engine.config import EngineConfig
from mistralrs.engine.engine import Engine
from mistralrs.engine.runner import ModelRunner
from mistralrs.errors import UsageError
from mistralrs.kvcache.paged import bytes_per_state
from mistralrs.loading.state_size import cache_states
from mistralrs.ops import Ops, PagedSpec, Program, Slot, StateSpec
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.testing.paged import PagedModel
from mistralrs.testing.tiny import random_tensors, tiny_config
from mistralrs.weights import DictSource

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=["mamba2", "qwen3-5", "lfm2"])
def model(request: pytest.FixtureRequest) -> PagedModel:
    spec = PluginHost(Policy()).resolve("architecture", request.param)
    config = tiny_config(spec)
    return PagedModel(spec, config, DictSource(random_tensors(spec, config)), blocks=128)


def engine_over(model: PagedModel, **settings: Any) -> Engine:
    specs = model.builder.caches
    runner = ModelRunner(Program(model.module), specs, Ops(model.table), model.config.vocab_size, CPU, torch.float32)
    sizes = {"num_blocks": 64, "num_states": 12, "context_length": 128, "vocab_size": model.config.vocab_size}
    engine = Engine(runner, None, EngineConfig(**{**sizes, "block_size": 8, "max_seqs": 4, **settings}))
    runner.warm_up()
    return engine


def prompt(seed: int, length: int, model: PagedModel) -> tuple[int, ...]:
    return tuple(token % model.config.vocab_size for token in random_prompt(seed, length))


def test_answers_are_those_of_the_model_alone(model: PagedModel) -> None:
    engine = engine_over(model, max_batched_tokens=16)
    common = prompt(1, 17, model)
    prompts = {index: (*common, *prompt(2 + index, 3 + 5 * index, model)) for index in range(4)}
    faults.install("scheduler.preempt=flag@4")
    try:
        answers = run(engine, *(generate(index, ids, max_tokens=6) for index, ids in prompts.items()))
    finally:
        faults.install("")
    assert engine.scheduler.preemptions > 0
    for index, ids in prompts.items():
        assert list(answers[index].tokens) == model.generate(ids, 6)


def test_a_known_prefix_gives_the_same_answer(model: PagedModel) -> None:
    engine, ids = engine_over(model), prompt(20, 40, model)
    answers = [run(engine, generate(index, ids))[index] for index in range(2)]
    assert [answer.finished.usage.cached_tokens for answer in answers] == [0, 32]
    assert answers[0].tokens == answers[1].tokens
    assert list(answers[0].tokens) == model.generate(ids, 8)


def test_the_compiled_backend_says_that_it_plays_operation_by_operation(
    model: PagedModel, caplog: pytest.LogCaptureFixture
) -> None:
    backend = pytest.importorskip("mistralrs_plugins.kernels.cpu.backend", reason="the compiled kernels need llvmlite")
    caplog.set_level(logging.INFO)
    spec = PluginHost(Policy()).resolve("architecture", "lfm2")
    config = tiny_config(spec)
    source = DictSource(random_tensors(spec, config))
    compiled = PagedModel(spec, config, source, backends=[backend.CpuBackend(), *model.table.backends])
    program = Program(compiled.module)
    with torch.inference_mode():
        program(compiled.context({"a": [3, 4, 5]}))
        program(compiled.context({"a": [6]}))
    assert "steps are run operation by operation" in caplog.text


SPECS = [StateSpec(shape=(8, 4)), PagedSpec(kv_heads=1, head_dim=8)]
HERE = Slot.of(CPU)


def sized(megabytes: float, specs: list[Any] | None = None, **settings: Any) -> tuple[int, Any, Any]:
    caches = [(spec, HERE) for spec in SPECS] if specs is None else [(spec, HERE) for spec in specs]
    return cache_states(PagedAttentionConfig(**settings), caches, 4, {HERE: round(megabytes * 2**20)})


def test_states_take_at_most_half_of_what_the_cache_may_take() -> None:
    assert bytes_per_state(SPECS) == 8 * 4 * 4
    large = [StateSpec(shape=(2**18,)), *SPECS]  # a MiB and a little each
    assert sized(1000)[0] == 12
    assert sized(1000, [SPECS[1]]) == (0, PagedAttentionConfig(), {HERE: 1000 * 2**20})
    count, _, room = sized(64, large)  # a quarter of which the cache may take
    assert count == 7
    assert 30 * 2**20 < room[HERE] < 36 * 2**20
    count, paged, room = sized(64, large, memory_mb=20)
    assert (count, paged.memory_mb) == (9, 11)
    assert room[HERE] == 64 * 2**20
    assert sized(1, large)[0] == 2, "two are needed, whatever it takes"
    with pytest.raises(UsageError, match="does not hold 2 states"):
        sized(64, large, memory_mb=2)
