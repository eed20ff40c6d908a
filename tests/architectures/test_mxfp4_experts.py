"""GPT-OSS with its experts as OpenAI publishes them equals the model that transformers unpacks them into."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import transformers
from cases import EXPERTS, SIZES, state_of
from gguf_files import write
from safetensors.torch import save_file
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

from benchmarks.whole_steps import is_whole
from mistralrs.checkpoint import ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.errors import ModelFormatError
from mistralrs.layouts import MXFP4
from mistralrs.loading.inspect import Inspected, inspect
from mistralrs.loading.quantization import choose_quantization
from mistralrs.modelkit import stacked_mxfp4
from mistralrs.ops import Program
from mistralrs.plugin.host import PluginHost
from mistralrs.testing.paged import PagedModel, reference_backend
from mistralrs.weights import CheckpointSource, Dense, DictSource, MetaSource, TensorSource, WeightBuilder, measure
from mistralrs_plugins.kernels.cpu.backend import CpuBackend
from tests.kernels.probes import nmse

GPT_OSS = {**SIZES, **EXPERTS, "hidden_size": 64, "intermediate_size": 32, "head_dim": 16, "sliding_window": 5}
STATED = {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]}
PROMPT = [5, 9, 3, 70, 12, 44, 8, 31, 2, 60]


@dataclass(frozen=True)
class Packed:
    reference: Any
    config: dict[str, Any]
    state: dict[str, torch.Tensor]

    def files(self, folder: Path) -> Inspected:
        path = folder / "model.safetensors"
        save_file(self.state, path)
        (folder / "config.json").write_text(json.dumps(self.config))
        companions = {"config.json": folder / "config.json"}
        files = ModelFiles(id="tiny", source="file", root=folder, weights=(path,), companions=companions)
        return inspect(PluginHost(), files, ModelSelection())


@pytest.fixture(scope="module")
def packed() -> Packed:
    torch.manual_seed(5)
    config = transformers.GptOssConfig(**GPT_OSS)
    reference = transformers.GptOssForCausalLM._from_config(config, attn_implementation="eager").eval()
    state = state_of(reference)
    for name in [name for name in state if name.endswith(("gate_up_proj", "down_proj"))]:
        experts, width, out = state[name].shape
        blocks = torch.randint(0, 256, (experts, out, width // 32, 16), dtype=torch.uint8)
        scales = torch.randint(121, 126, (experts, out, width // 32), dtype=torch.uint8)
        unpacked = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32)
        state[name].copy_(unpacked.view_as(state[name]))  # the reference's own memory
        del state[name]
        state |= {f"{name}_blocks": blocks, f"{name}_scales": scales}
    stated = {**config.to_dict(), "architectures": ["GptOssForCausalLM"], "quantization_config": STATED}
    return Packed(reference, stated, state)


def test_it_equals_the_unpacked_model(packed: Packed, tmp_path: Path) -> None:
    inspected = packed.files(tmp_path)
    source = CheckpointSource(inspected.checkpoint)
    method = choose_quantization(PluginHost(), inspected, None, lambda _path: None)
    model = PagedModel(inspected.architecture, dict(inspected.checkpoint.metadata), source, quant=method)
    with torch.inference_mode():
        expected = packed.reference(torch.tensor([PROMPT])).logits[0]
    torch.testing.assert_close(model.step({"a": PROMPT})["a"], expected, rtol=0, atol=1e-4)
    assert isinstance(method("model.layers.0.self_attn.q_proj"), Dense)
    assert not source.unread()


def compiled_logits(config: dict[str, Any], source: TensorSource) -> torch.Tensor:
    """Those of the prompt, in whole compiled steps."""
    spec, backends = PluginHost().resolve("architecture", "gpt-oss"), (CpuBackend(), reference_backend())
    model = PagedModel(spec, config, source, backends=backends)
    model.module = Program(model.module)
    found = [model.step({"a": tokens})["a"] for tokens in (PROMPT[:7], PROMPT[7:9], PROMPT[9:])]
    assert is_whole(model)
    return torch.cat(found)


def test_compiled_steps_take_the_blocks(packed: Packed) -> None:
    with torch.inference_mode():
        expected = packed.reference(torch.tensor([PROMPT])).logits[0]
    # Activations are rounded to 16 bits.
    assert nmse(compiled_logits(packed.config, DictSource(packed.state)), expected) <= 1e-7


def test_blocks_in_gguf_are_the_same(packed: Packed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host, add, kind = PluginHost(), gguf.GGUFWriter.add_tensor, gguf.GGMLQuantizationType.MXFP4

    def add_quantized(writer: gguf.GGUFWriter, name: str, data: np.ndarray[Any, Any]) -> None:
        if not name.endswith("_exps.weight"):
            return add(writer, name, data)
        blocks = gguf.quants.quantize(data, kind)
        np.testing.assert_array_equal(gguf.quants.dequantize(blocks, kind), data)
        return add(writer, name, blocks, raw_dtype=kind)

    monkeypatch.setattr(gguf.GGUFWriter, "add_tensor", add_quantized)
    path, table = tmp_path / "tiny.gguf", host.resolve("architecture", "gpt-oss").gguf.load()
    write(path, "gpt-oss", state_of(packed.reference), packed.reference.config, table)
    files = ModelFiles(id="tiny", source="file", root=tmp_path, weights=(path,))
    checkpoint = host.resolve("format", ".gguf").opener.load()(files)
    config = table.to_config(checkpoint.metadata, checkpoint.tensors)
    found = compiled_logits(config, CheckpointSource(checkpoint, table.rename))
    torch.testing.assert_close(found, compiled_logits(packed.config, DictSource(packed.state)), rtol=0, atol=1e-5)


def test_experts_stay_in_their_blocks(packed: Packed) -> None:
    spec = PluginHost().resolve("architecture", "gpt-oss")
    config = spec.config.load().model_validate(packed.config)
    experts = spec.build.load()(config, WeightBuilder(DictSource(packed.state))).layers[0].mlp.experts
    assert {stack.stack.layout for stack in (experts.gate, experts.up, experts.down)} == {MXFP4}


def test_the_checkpoint_is_measured_without_reading_it(packed: Packed, tmp_path: Path) -> None:
    inspected = packed.files(tmp_path)
    tensors = inspected.checkpoint.tensors
    spec = inspected.architecture
    config = spec.config.load().model_validate(packed.config)
    sizes = measure(spec.build.load(), config, MetaSource({name: info.layout for name, info in tensors.items()}))
    assert sizes.total == sum(info.nbytes for info in tensors.values())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"gate_up_proj_blocks": torch.zeros(4, 64, 2, 15, dtype=torch.uint8)}, "has shape"),
        ({"down_proj_scales": torch.zeros(4, 64, 1)}, "is stored as F32, not as U8"),
        ({"down_proj_bias": torch.zeros(4, 64, dtype=torch.uint8)}, "is stored as U8, which is not supported here"),
    ],
)
def test_wrong_tensors_are_refused(packed: Packed, wrong: dict[str, torch.Tensor], message: str) -> None:
    state = {**packed.state, **{f"model.layers.0.mlp.experts.{name}": tensor for name, tensor in wrong.items()}}
    with pytest.raises(ModelFormatError, match=message):
        PagedModel(PluginHost().resolve("architecture", "gpt-oss"), packed.config, DictSource(state))


def test_rows_are_whole_blocks() -> None:
    with pytest.raises(ModelFormatError, match="rows of 48 numbers are not made of blocks of 32"):
        stacked_mxfp4(WeightBuilder(DictSource({})), "down_proj", 4, 48, (32,))
