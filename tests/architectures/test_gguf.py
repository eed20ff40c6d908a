"""A GGUF written from a tiny checkpoint gives the logits of the checkpoint itself, here and in llama.cpp."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from cases import LLAMA3, SIZES, text_of
from gguf_dense_cases import DENSE_CASES
from gguf_expert_cases import EXPERT_CASES
from gguf_files import write
from gguf_shared import SHARED_CASES
from gguf_state_cases import STATE_CASES
from llama_cpp import CONTEXT, LlamaCpp
from torch.nn import functional

from mistralrs.checkpoint import Checkpoint, ModelFiles
from mistralrs.plugin import ArchitectureSpec, ModelFacts
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.testing.paged import PagedModel
from mistralrs.weights import CheckpointSource, DictSource, MetaSource, measure
from mistralrs_plugins.kernels.torch.elementwise import ACTIVATIONS

PROMPT = torch.randint(4, SIZES["vocab_size"], (19,), generator=torch.Generator().manual_seed(1)).tolist()


@dataclass(frozen=True)
class Case:
    """``arch`` is the file's ``general.architecture``.

    ``tolerance`` is how far llama.cpp's arithmetic may lie, or why it is not asked.
    """

    id: str
    arch: str
    key: str
    config: str
    extra: dict[str, Any] = field(default_factory=dict)
    tolerance: float | str = 1e-4


def _rope(**table: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_theta": 10_000.0, **table}}


def _longrope(trained: int) -> dict[str, Any]:
    factors = {"short_factor": [1.0, 1.1, 1.3, 1.6], "long_factor": [1.0, 2.0, 4.0, 9.0]}
    lengths = {"max_position_embeddings": 4 * trained, "original_max_position_embeddings": trained}
    return {**_rope(rope_type="longrope", **factors), **lengths}


YARN = _rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=32)
SHARPER_YARN = _rope(rope_type="yarn", factor=4.0, original_max_position_embeddings=32, attention_factor=1.4)
GEMMA = {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 5}
GEMMA3_ROPE = {
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1_000_000.0},
    "sliding_attention": {"rope_type": "default", "rope_theta": 10_000.0},
}
GELU = 1e-3  # a number between two entries of the table may be rounded to either

CASES = [
    Case("llama", "llama", "LlamaForCausalLM", "LlamaConfig"),
    Case("llama-tied", "llama", "LlamaForCausalLM", "LlamaConfig", {"tie_word_embeddings": True}),
    Case("llama-linear", "llama", "LlamaForCausalLM", "LlamaConfig", _rope(rope_type="linear", factor=4.0)),
    Case("llama-llama3", "llama", "LlamaForCausalLM", "LlamaConfig", _rope(**LLAMA3)),
    Case("llama-yarn", "llama", "LlamaForCausalLM", "LlamaConfig", YARN),
    Case("llama-yarn-sharper", "llama", "LlamaForCausalLM", "LlamaConfig", SHARPER_YARN),
    Case("mistral", "llama", "MistralForCausalLM", "MistralConfig", {"sliding_window": None, "head_dim": 16}),
    Case("qwen2", "qwen2", "Qwen2ForCausalLM", "Qwen2Config"),
    Case("qwen3", "qwen3", "Qwen3ForCausalLM", "Qwen3Config", {"head_dim": 16}),
    Case("qwen2vl", "qwen2vl", "Qwen2ForCausalLM", "Qwen2Config"),
    Case("qwen3vl", "qwen3vl", "Qwen3ForCausalLM", "Qwen3Config", {"head_dim": 16}),
    Case("phi3", "phi3", "Phi3ForCausalLM", "Phi3Config", _rope(partial_rotary_factor=0.5)),
    Case("phi3-long", "phi3", "Phi3ForCausalLM", "Phi3Config", _longrope(64)),
    Case("phi3-short", "phi3", "Phi3ForCausalLM", "Phi3Config", _longrope(512)),
    Case("gemma", "gemma", "GemmaForCausalLM", "GemmaConfig", {"head_dim": 16}, GELU),
    Case(
        "gemma2",
        "gemma2",
        "Gemma2ForCausalLM",
        "Gemma2Config",
        {**GEMMA, "attn_logit_softcapping": 1.5, "final_logit_softcapping": 4.0},
        GELU,
    ),
    Case(
        "gemma3",
        "gemma3",
        "Gemma3ForCausalLM",
        "Gemma3TextConfig",
        {**GEMMA, "num_hidden_layers": 6, "rope_parameters": GEMMA3_ROPE},
        GELU,
    ),
    *(Case(*each) for each in (*DENSE_CASES, *EXPERT_CASES, *SHARED_CASES, *STATE_CASES)),
]
NAMES = {"mistral": "Tiny Mistral", "glm4moelite": "Tiny GLM"}
"""What files of architectures call themselves that share a name with others."""


@dataclass(frozen=True)
class Written:
    """A checkpoint both ways."""

    case: Case
    path: Path
    config: Any
    state: dict[str, torch.Tensor]
    spec: ArchitectureSpec
    checkpoint: Checkpoint

    def from_gguf(self) -> tuple[PagedModel, CheckpointSource]:
        assert self.spec.gguf is not None
        table = self.spec.gguf.load()
        source = CheckpointSource(self.checkpoint, table.rename)
        config = table.to_config(self.checkpoint.metadata, self.checkpoint.tensors)
        return self._limited(PagedModel(self.spec, config, source)), source

    def from_state(self) -> PagedModel:
        return self._limited(PagedModel(self.spec, self.config.to_dict(), DictSource(self.state)))

    def _limited(self, model: PagedModel) -> PagedModel:
        model.limit["a"] = CONTEXT
        return model


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.id)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    case: Case = request.param
    host = PluginHost(Policy())
    sizes = {} if "text_config" in case.extra else SIZES
    config = getattr(transformers, case.config)(**{**sizes, **case.extra})
    torch.manual_seed(3)
    state = text_of(getattr(transformers, case.key)._from_config(config))
    config = config.get_text_config()
    for name, tensor in state.items():
        if any(part in name for part in ("norm", "bias", "ln_", "scal")):
            tensor.add_(0.3 * torch.randn_like(tensor))
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    spec = host.resolve("architecture", case.key)
    write(path, case.arch, state, config, spec.gguf.load(), name=NAMES.get(spec.name, "Tiny"))
    opener = host.resolve("format", ".gguf").opener.load()
    checkpoint = opener(ModelFiles(id="tiny", source="file", root=path.parent, weights=(path,)))
    facts = ModelFacts(checkpoint.metadata, checkpoint.tensors.keys())
    assert host.resolve("architecture", f"gguf:{case.arch}", facts=facts) is spec
    return Written(case, path, config, state, spec, checkpoint)


def test_same_logits_as_the_checkpoint(written: Written) -> None:
    model, source = written.from_gguf()
    ours, plain = (each.step({"a": PROMPT})["a"] for each in (model, written.from_state()))
    torch.testing.assert_close(ours, plain, rtol=0, atol=1e-5)
    assert set(source.unread()) == _unused(written)


def _unused(written: Written) -> set[str]:
    """Keys and values of layers that read those of others, which files of Gemma 3n have all the same."""
    if written.case.arch != "gemma3n":
        return set()
    config, parts = written.config, ("attn_k", "attn_v", "attn_k_norm")
    layers = range(config.num_hidden_layers - config.num_kv_shared_layers, config.num_hidden_layers)
    return {f"blk.{layer}.{part}.weight" for layer in layers for part in parts}


def test_the_file_is_measured_without_reading_it(written: Written) -> None:
    assert written.spec.gguf is not None
    tensors = written.checkpoint.tensors
    table = written.spec.gguf.load()
    config = written.spec.config.load().model_validate(table.to_config(written.checkpoint.metadata, tensors))
    present = {name: info.layout for name, info in tensors.items()}
    sizes = measure(written.spec.build.load(), config, MetaSource(present, table.rename))
    assert sizes.total == sum(tensors[name].nbytes for name in tensors.keys() - _unused(written))
    assert len(sizes.layers) == config.num_hidden_layers


def _looked_up(x: torch.Tensor) -> torch.Tensor:
    """GELU as llama.cpp has it: a table of the tanh form from half-precision numbers to such, between -10 and 10."""
    found = functional.gelu(x.half().float(), approximate="tanh").half().float()
    return torch.where(x.abs() < 10, found, x.relu())


def test_same_probabilities_as_llama_cpp(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("gelu", "gelu_pytorch_tanh"):
        monkeypatch.setitem(ACTIVATIONS, name, _looked_up)
    if isinstance(written.case.tolerance, str):
        pytest.skip(f"llama.cpp computes something else: {written.case.tolerance}")
    model, _ = written.from_gguf()
    ours = model.step({"a": PROMPT})["a"].log_softmax(-1)
    reference = LlamaCpp(written.path, SIZES["vocab_size"])
    for count in (3, len(PROMPT)):
        theirs = reference.log_probabilities(PROMPT[:count])
        torch.testing.assert_close(ours[count - 1], theirs, rtol=0, atol=written.case.tolerance)
