"""From flags and memory to a model in several places, through the loader."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mistralrs.checkpoint import ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.config.runtime import RuntimeConfig
from mistralrs.devices.memory import machine_slots
from mistralrs.engine.request import Generate, SamplingParams, Tokens
from mistralrs.errors import UsageError
from mistralrs.kvcache.paged import bytes_per_state
from mistralrs.loading.inspect import Inspected, inspect
from mistralrs.loading.load import LoadedModel, load
from mistralrs.loading.model import build_model
from mistralrs.loading.state_size import PER_SEQUENCE
from mistralrs.ops import Slot
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.testing.tiny import random_tensors, tiny_config
from tests.engine.small_tokenizers import byte_level

CPU = torch.device("cpu")
A, B = Slot("cpu-a", CPU), Slot("cpu-b", CPU)
PLENTY = 1 << 30
HOST = PluginHost(Policy())
PROMPT = (5, 9, 3, 12, 40, 7)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Inspected:
    """A tiny Llama of four layers in a folder of its own."""
    return written(tmp_path_factory.mktemp("tiny"), "llama", "LlamaForCausalLM", num_hidden_layers=4)


def written(root: Path, name: str, key: str, **sizes: Any) -> Inspected:
    spec = HOST.resolve("architecture", name)
    raw = {**tiny_config(spec, **sizes), "architectures": [key]}
    save_file(random_tensors(spec, raw), root / "model.safetensors")
    config = root / "config.json"
    config.write_text(json.dumps(raw), encoding="utf-8")
    weights = (root / "model.safetensors",)
    files = ModelFiles(id="tiny", source="file", root=root, weights=weights, companions={"config.json": config})
    return inspect(HOST, files, ModelSelection())


def loaded(model: Inspected, free: dict[Slot, int] | None = None, **settings: Any) -> LoadedModel:
    paged = settings.pop("paged", PagedAttentionConfig(context_len=256))
    return load(
        HOST,
        model,
        byte_level(),
        selection=ModelSelection(**settings),
        runtime=RuntimeConfig(max_num_batched_tokens=64),
        paged=paged,
        free=free,
    )


def answer(engine: Any) -> list[int]:
    engine.add(Generate(id=1, prompt=PROMPT, sampling=SamplingParams(temperature=0, max_tokens=12)))
    tokens: list[int] = []
    while engine.has_work:
        tokens += [token for output in engine.step() if isinstance(output, Tokens) for token in output.tokens]
    return tokens


def test_an_engine_in_two_slots_answers_as_in_one(model: Inspected, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        two = loaded(model, {A: PLENTY, B: PLENTY}, device_layers="0:2")
    assert answer(two.engine) == answer(loaded(model).engine)
    told = [record.getMessage() for record in caplog.records]
    assert any(text.startswith("cpu-a: layers 0-1, weights 0.1 MiB, cache 0.0 MiB of 1.00 GiB free") for text in told)
    assert any(text.startswith("cpu-b: layers 2-3, ") for text in told)


def test_bytes_in_each_slot_are_those_of_the_plan(model: Inspected) -> None:
    built = build_model(HOST, model, free={A: PLENTY, B: PLENTY}, selection=ModelSelection(device_layers=("0:3",)))
    a, b = built.placement.shares(4)
    assert a.weights + b.weights == built.weight_bytes
    assert b.weights == built.placement.sizes.layers[3]
    assert built.cache_slots == (A, A, A, B)
    assert b.cache == 4 * built.caches[3].values_per_token


def test_automatic_plans_count_the_cache_they_make_room_for(model: Inspected) -> None:
    sizes = build_model(HOST, model).placement.sizes
    token_bytes = sum(sizes.cached) * 4
    room = int((sizes.total + 100 * token_bytes) / 0.9) + 64
    free = {A: room, B: PLENTY}

    def slots(**settings: int) -> set[Slot]:
        return set(build_model(HOST, model, free=free, selection=ModelSelection(**settings)).placement.plan.slots)

    assert slots(max_seq_len=100) == {A}
    assert slots(max_seq_len=100, max_batch_size=3) == {A, B}
    assert slots(max_seq_len=300) == {A, B}


@pytest.fixture(scope="module")
def hybrid(tmp_path_factory: pytest.TempPathFactory) -> Inspected:
    """A tiny model every second layer of which carries a state."""
    return written(tmp_path_factory.mktemp("hybrid"), "lfm2", "Lfm2ForCausalLM", layer_types=["conv", "full_attention"])


def test_automatic_plans_count_states(hybrid: Inspected) -> None:
    built = build_model(HOST, hybrid)
    sizes = built.placement.sizes
    assert sizes.states == (bytes_per_state(built.caches), 0)
    need = sizes.total + sizes.kept(range(2), 16 * 4, PER_SEQUENCE)
    room, missing = int((need + 1) / 0.9) + 64, 2 * PER_SEQUENCE * max(sizes.states)
    selection = ModelSelection(max_seq_len=16)
    assert build_model(HOST, hybrid, free={A: room, B: PLENTY}, selection=selection).placement.plan.slots == (A,)
    selection = ModelSelection(max_seq_len=16, max_batch_size=3)
    less = sizes.kept(range(2), 48 * 4, PER_SEQUENCE) - sizes.kept(range(2), 16 * 4, PER_SEQUENCE)
    tight = build_model(HOST, hybrid, free={A: room + int(less / 0.9) + 1, B: PLENTY}, selection=selection)
    assert tight.placement.plan.slots == (A, B)
    roomy = int((need + less + missing) / 0.9) + 128
    assert build_model(HOST, hybrid, free={A: roomy, B: PLENTY}, selection=selection).placement.plan.slots == (A,)


def test_the_states_planned_for_are_there_when_memory_is_short(
    hybrid: Inspected, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = build_model(HOST, hybrid).placement.sizes
    need = sizes.total + sizes.kept(range(2), 64 * 4, PER_SEQUENCE)
    with caplog.at_level(logging.INFO):
        paged = PagedAttentionConfig(cache_type="f32")
        engine = loaded(hybrid, {A: int(need / 0.9) + 64}, paged=paged, max_seq_len=64).engine
    assert engine.config.num_states >= PER_SEQUENCE
    assert engine.config.cache_tokens >= 64


def test_the_cache_holds_what_was_planned_for_when_memory_is_short(model: Inspected) -> None:
    sizes = build_model(HOST, model).placement.sizes
    tokens = min(128, model.context_length)
    free = {A: int((sizes.total + tokens * sum(sizes.cached) * 4) / 0.9) + 64, B: 64}
    engine = loaded(model, free, paged=PagedAttentionConfig(cache_type="f32"), max_seq_len=tokens).engine
    assert engine.config.cache_tokens == tokens


def test_what_fits_nowhere_is_refused_with_the_figures(model: Inspected) -> None:
    with pytest.raises(UsageError, match=r"does not fit: weights 0\.\d MiB and cache \d\.\d MiB; free: cpu-a 0\.0 MiB"):
        build_model(HOST, model, free={A: 1000, B: 1000})


def test_a_host_that_is_short_of_memory_reads_the_file_again(
    model: Inspected, caplog: pytest.LogCaptureFixture
) -> None:
    built = build_model(HOST, model, free={A: 1000})
    assert built.placement.plan.slots == (A,)
    assert "the model does not fit: weights" in caplog.text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('0-2: {device: "cuda[7]"}\n', "the topology names cuda:7, which is not available"),
        ("0: {device: metal}\n", "the topology names mps:0, which is not available"),
        ("0: {isq: q9z}\n", "q9z"),
    ],
)
def test_a_topology_must_name_what_there_is(model: Inspected, tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "topology.yml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(Exception, match=problem) as caught:
        build_model(HOST, model, selection=ModelSelection(topology=file))
    assert "\n" not in str(caught.value)


def test_layers_are_placed_once(model: Inspected, tmp_path: Path) -> None:
    file = tmp_path / "topology.yml"
    file.write_text("0: {device: cpu}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="both place layers"):
        build_model(HOST, model, selection=ModelSelection(topology=file, device_layers=("1",)))
    plan = build_model(HOST, model, selection=ModelSelection(topology=file, cpu=True)).placement.plan
    assert plan.slots == (Slot.of(CPU),)


def test_ordinals_are_those_of_accelerators(model: Inspected) -> None:
    with pytest.raises(UsageError, match="--device-layers names device 0"):
        build_model(HOST, model, selection=ModelSelection(cpu=True, device_layers=("0:1",)))


def test_the_host_is_the_last_place_and_the_only_one_with_cpu() -> None:
    assert list(machine_slots(cpu=True)) == [Slot.of(CPU)]
    assert list(machine_slots(cpu=False))[-1] == Slot.of(CPU)
    assert all(free > 0 for free in machine_slots(cpu=False).values())
