"""The text sides of models that also see: their config and tensors lie inside those of the whole."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from cases import GEMMA3, LLAMA4, SIZES, state_of
from safetensors.torch import save_file
from state_cases import DELTA, EXPERTS

from mistralrs.checkpoint import ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.errors import ModelFormatError, PluginError
from mistralrs.loading.inspect import Inspected, inspect
from mistralrs.plugin.host import PluginHost
from mistralrs.testing.paged import PagedModel
from mistralrs.weights import CheckpointSource

SEEING = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
PIXTRAL = {**SEEING, "model_type": "pixtral", "head_dim": 8, "image_size": 28, "patch_size": 14}
SIGLIP = {**SEEING, "model_type": "siglip_vision_model", "image_size": 28, "patch_size": 14}
LLAMA4_EYE = {**SEEING, "vision_output_dim": 16, "projector_input_dim": 16, "projector_output_dim": 16}
LLAMA4_EYE |= {"image_size": 28, "patch_size": 14, "intermediate_size": 64}
QWEN_EYE = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 32}
YARN = {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 8}
GROWING = {"rope_parameters": {**YARN, "llama_4_scaling_beta": 0.3}}


@dataclass(frozen=True)
class Case:
    """``kind`` is the text side's ``model_type``, ``serves`` the plugin that it belongs to."""

    key: str
    config: str
    kind: str
    serves: str
    vision: dict[str, Any]
    text: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case("Mistral3ForConditionalGeneration", "Mistral3Config", "mistral", "mistral", PIXTRAL, {"head_dim": 16}),
    Case("Mistral3ForConditionalGeneration", "Mistral3Config", "ministral3", "ministral3", PIXTRAL, GROWING),
    Case("Gemma3ForConditionalGeneration", "Gemma3Config", "gemma3_text", "gemma3", SIGLIP, GEMMA3),
    Case("Llama4ForConditionalGeneration", "Llama4Config", "llama4_text", "llama4", LLAMA4_EYE, LLAMA4),
    Case("Qwen3_5ForConditionalGeneration", "Qwen3_5Config", "qwen3_5_text", "qwen3-5", QWEN_EYE, DELTA),
    Case(
        "Qwen3_5MoeForConditionalGeneration",
        "Qwen3_5MoeConfig",
        "qwen3_5_moe_text",
        "qwen3-5moe",
        QWEN_EYE,
        {**DELTA, **EXPERTS},
    ),
]


@dataclass(frozen=True)
class Saved:
    """The reference, and its checkpoint as a dictionary of tensors and a config."""

    case: Case
    reference: Any
    state: dict[str, torch.Tensor]
    config: dict[str, Any]

    def write(self, folder: Path, state: dict[str, torch.Tensor] | None = None) -> Inspected:
        path = folder / "model.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in (state or self.state).items()}, path)
        (folder / "config.json").write_text(json.dumps(self.config))
        companions = {"config.json": folder / "config.json"}
        files = ModelFiles(id="tiny", source="file", root=folder, weights=(path,), companions=companions)
        return inspect(PluginHost(), files, ModelSelection())


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.serves)
def saved(request: pytest.FixtureRequest) -> Saved:
    case: Case = request.param
    text = {**SIZES, **case.text, "model_type": case.kind}
    tied = case.serves == "gemma3"
    config = getattr(transformers, case.config)(text_config=text, vision_config=case.vision, tie_word_embeddings=tied)
    torch.manual_seed(7)
    reference = getattr(transformers, case.key)._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            if "norm" in name:
                parameter.add_(0.3 * torch.randn_like(parameter))
    stated = {**config.to_dict(), "architectures": [case.key]}
    state = {name: each for name, each in state_of(reference).items() if not (tied and "lm_head" in name)}
    return Saved(case, reference, state, stated)


def compare(saved: Saved, inspected: Inspected) -> None:
    ids = torch.randint(0, SIZES["vocab_size"], (17,), generator=torch.Generator().manual_seed(1)).tolist()
    source = CheckpointSource(inspected.checkpoint)
    model = PagedModel(inspected.architecture, inspected.raw, source)
    parts = [model.step({"a": part})["a"] for part in (ids[:9], ids[9:10], ids[10:])]
    with torch.inference_mode():
        wanted = saved.reference(torch.tensor([ids])).logits[0]
    torch.testing.assert_close(torch.cat(parts), wanted, rtol=0, atol=1e-4)
    assert not source.unread()


def test_the_text_side_equals_the_whole_model_on_text(
    saved: Saved, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mistralrs")
    inspected = saved.write(tmp_path)
    assert inspected.architecture.name == saved.case.serves
    assert inspected.architecture.modalities == ("text",)
    unused = sum("vision" in name or "visual" in name or "projector" in name for name in saved.state)
    assert unused > 0
    assert f"only text is served: {unused} tensors" in caplog.text
    compare(saved, inspected)


def test_both_places_of_the_text_side_are_known(saved: Saved, tmp_path: Path) -> None:
    """Older and newer files of one model differ in where they put the text side's tensors and its head."""
    old, new = "language_model.model.", "model.language_model."
    is_old = any(name.startswith(old) for name in saved.state)
    here, there = (old, new) if is_old else (new, old)
    heads = ("language_model.lm_head", "lm_head") if is_old else ("lm_head", "language_model.lm_head")
    moved = {name.replace(here, there).replace(*heads): tensor for name, tensor in saved.state.items()}
    assert moved.keys() != saved.state.keys()
    compare(saved, saved.write(tmp_path, moved))


@pytest.mark.parametrize("saved", CASES[:1], indirect=True, ids=["mistral"])
def test_a_text_side_that_nobody_knows_is_refused(saved: Saved, tmp_path: Path) -> None:
    strange = {**saved.config, "text_config": {**saved.config["text_config"], "model_type": "mistral9"}}
    with pytest.raises(PluginError, match="fits none of the plugins"):
        replace(saved, config=strange).write(tmp_path)


def test_a_file_without_a_text_side_is_refused(saved: Saved, tmp_path: Path) -> None:
    eyes = {name: tensor for name, tensor in saved.state.items() if "embed_tokens" not in name}
    with pytest.raises(ModelFormatError, match=r"no tensor 'model\.language_model\.embed_tokens\.weight'"):
        saved.write(tmp_path, eyes)
