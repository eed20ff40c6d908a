"""The kit itself: its fixtures, its tiny models, and that its exams find what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mistralrs.errors import PluginError
from mistralrs.plugin.host import PluginHost
from mistralrs.testing.exams import exams
from mistralrs.testing.paged import PagedModel
from mistralrs.testing.quantized import to_q8_0
from mistralrs.testing.tiny import SPECIAL, random_tensors, tiny_config, write_checkpoint
from mistralrs.weights import DictSource

pytest_plugins = "pytester"


def test_a_host_sees_only_what_it_is_given(plugin_host: Callable[..., PluginHost]) -> None:
    host = plugin_host({"architecture/llama": "mistralrs_plugins.architectures.llama.plugin"})
    assert [record.id for record in host.discover_all()] == ["architecture/llama"]
    assert host.resolve("architecture", "LlamaForCausalLM").name == "llama"
    with pytest.raises(PluginError):
        host.resolve("kernels", "torch")


def test_a_host_with_the_built_ins(plugin_host: Callable[..., PluginHost]) -> None:
    host = plugin_host({}, builtins=True)
    assert {record.distribution for record in host.discover_all()} == {"mistralrs-py"}


def test_a_tiny_checkpoint_is_a_model_folder(tiny_checkpoint: Callable[..., Path]) -> None:
    folder = tiny_checkpoint("qwen3", tie_word_embeddings=True)
    names = {path.name for path in folder.iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"} <= names
    config = json.loads((folder / "config.json").read_text())
    assert config["architectures"] == ["Qwen3ForCausalLM"]
    assert config["tie_word_embeddings"] is True


def test_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    spec = PluginHost().resolve("architecture", "llama")
    one, two, other = (
        (write_checkpoint(spec, tmp_path / name, seed=seed) / "model.safetensors").read_bytes()
        for name, seed in (("one", 1), ("two", 1), ("other", 2))
    )
    assert one == two != other


def test_the_tokenizer_goes_round(tiny_tokenizer: Any) -> None:
    text = "hello, world: 2 + 2 = 4?\n"
    ids = tiny_tokenizer.encode(text).ids
    assert len(ids) == len(text)
    assert max(ids) < 64
    assert tiny_tokenizer.decode(ids) == text
    assert tiny_tokenizer.token_to_id("</s>") == SPECIAL.index("</s>")


def test_the_paged_model_generates_what_it_would_compute_at_once() -> None:
    spec = PluginHost().resolve("architecture", "llama")
    config = tiny_config(spec)
    model = PagedModel(spec, config, DictSource(random_tensors(spec, config)))
    answer = model.generate([5, 6, 7], 6)
    logits = model.step({"whole": [5, 6, 7, *answer]})["whole"]
    assert logits[2:-1].argmax(-1).tolist() == answer


def test_eight_bits_are_close() -> None:
    values = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    assert (to_q8_0(values).to_dense() - values).abs().max() < values.abs().max() / 127


WRONG = {
    "leaks the past": (
        "test_ragged_neighbours_do_not_disturb",
        """
from torch import nn
from mistralrs.modelkit import DecoderRecipe

class Whole(nn.Module):
    def __init__(self, mlp):
        super().__init__()
        self.mlp = mlp
    def forward(self, x, step):
        return self.mlp(x, step) + x.mean(0)

from mistralrs.modelkit import gated_mlp
build = DecoderRecipe(mlp=lambda cfg, wb: Whole(gated_mlp(cfg, wb)))
""",
    ),
    "asks twice": (
        "test_every_tensor_is_asked_for_once_by_its_layer",
        """
from mistralrs.modelkit import DecoderRecipe

def build(cfg, wb):
    wb.tensor("model.norm.weight", (cfg.hidden_size,))
    return DecoderRecipe()(cfg, wb)
""",
    ),
    "overflows in half precision": (
        "test_half_precision_is_finite_and_near[f16]",
        """
from mistralrs.modelkit import DecoderRecipe, gated_mlp
from torch import nn

class Large(nn.Module):
    def __init__(self, mlp):
        super().__init__()
        self.mlp = mlp
    def forward(self, x, step):
        return self.mlp(x, step) * 1e6 / 1e6

build = DecoderRecipe(mlp=lambda cfg, wb: Large(gated_mlp(cfg, wb)))
""",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_the_exam_finds(mistake: str, pytester: pytest.Pytester) -> None:
    """Models that are wrong in ways a look at one answer would not show."""
    test, source = WRONG[mistake]
    declaration = f"""
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl
MISTRALRS_API = "1.0"
@hookimpl
def mistralrs_register_architectures():
    yield ArchitectureSpec(name="wrong", summary="s", config=Ref("mistralrs.modelkit.config:CausalConfig"),
        build=Ref("wrong_model:build"), tiny={dict(_TINY)!r})
"""
    pytester.makepyfile(wrong_model=source, wrong_plugin=declaration)
    info = pytester.mkdir("wrong-1.0.dist-info")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wrong\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mistralrs.architectures]\nwrong = wrong_plugin\n")
    pytester.makepyfile(
        test_wrong="""
        from mistralrs.testing.conformance import ArchitectureConformance

        class TestWrong(ArchitectureConformance):
            plugin = "architecture/wrong"
        """
    )
    pytester.syspathinsert()
    outcome = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-k", test.partition("[")[0])
    failed = [line for line in outcome.outlines if line.startswith("FAILED")]
    assert any(test in line for line in failed), outcome.stdout.str()


_TINY = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


def test_exams_are_named_after_what_they_examine() -> None:
    classes = exams(["architecture/llama", "kernels/torch"])
    assert sorted(classes) == ["TestArchitectureLlama", "TestKernelsTorch"]
    assert classes["TestArchitectureLlama"].plugin == "architecture/llama@mistralrs-py"
