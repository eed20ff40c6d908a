"""One model in Mistral's own layout and in Hugging Face's: the same logits."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import save_file
from transformers.core_model_loading import revert_weight_conversion

from mistralrs.checkpoint import ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.errors import ModelFormatError
from mistralrs.loading.inspect import Inspected, inspect
from mistralrs.loading.locate import locate
from mistralrs.loading.tokenizer import load_tokenizer
from mistralrs.plugin.host import PluginHost
from mistralrs.testing.paged import PagedModel
from mistralrs.weights import CheckpointSource

SIZES: dict[str, Any] = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "initializer_range": 0.2,
    "sliding_window": None,
    "rms_norm_eps": 1e-5,
}
PARAMS = {"dim": 32, "n_layers": 2, "head_dim": 16, "hidden_dim": 48, "n_heads": 4, "n_kv_heads": 2, "norm_eps": 1e-5}
PARAMS |= {"vocab_size": 300, "rope_theta": 50_000.0}
EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
YARN = {"factor": 4.0, "original_max_position_embeddings": 8}
MINISTRAL_ROPE = {
    **YARN,
    "rope_type": "yarn",
    "rope_theta": 50_000.0,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "attention_factor": 1.0,
    "llama_4_scaling_beta": 0.1,
}
CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "mistral": ("Mistral", {}, {}),
    "window": ("Mistral", {"sliding_window": 5}, {"sliding_window": 5}),
    "mixtral": ("Mixtral", EXPERTS, {"moe": {"num_experts": 4, "num_experts_per_tok": 2}}),
    "ministral3": (
        "Ministral3",
        {"rope_parameters": MINISTRAL_ROPE},
        {
            "yarn": {**YARN, "apply_scale": False, "beta": 32, "alpha": 1},
            "llama_4_scaling": {"original_max_position_embeddings": 8, "beta": 0.1},
        },
    ),
}
NAMES = {
    "model.embed_tokens": "tok_embeddings",
    "model.norm": "norm",
    "lm_head": "output",
    "model.layers": "layers",
    "self_attn": "attention",
    "q_proj": "wq",
    "k_proj": "wk",
    "v_proj": "wv",
    "o_proj": "wo",
    "input_layernorm": "attention_norm",
    "post_attention_layernorm": "ffn_norm",
    "block_sparse_moe": "feed_forward",
    "mlp": "feed_forward",
    "gate_proj": "w1",
    "down_proj": "w2",
    "up_proj": "w3",
}


def to_mistral(name: str, tensor: torch.Tensor) -> tuple[str, torch.Tensor]:
    """The tensor as Mistral stores it: the two halves of each head interleaved."""
    if "q_proj" in name or "k_proj" in name:
        heads = tensor.view(-1, 2, SIZES["head_dim"] // 2, tensor.shape[-1])
        tensor = heads.transpose(1, 2).reshape(tensor.shape)
    for theirs, ours in NAMES.items():
        name = name.replace(theirs, ours)
    return name, tensor.contiguous()


def tekken(path: Path) -> None:
    """A tokenizer of single bytes behind four special tokens, and two of their pairs."""
    tokens = [*(bytes([value]) for value in range(256)), b"th", b"he"]
    vocabulary = [{"rank": rank, "token_bytes": b64encode(token).decode()} for rank, token in enumerate(tokens)]
    special = [{"rank": rank, "token_str": text} for rank, text in enumerate(("<unk>", "<s>", "</s>", "[INST]"))]
    config = {"pattern": r"\S+|\s+", "default_num_special_tokens": 42, "default_vocab_size": 300}
    path.write_text(json.dumps({"config": config, "vocab": vocabulary, "special_tokens": special}))


class Both:
    """The same model in two folders."""

    def __init__(self, folder: Path, case: str) -> None:
        kind, extra, params = CASES[case]
        config = getattr(transformers, f"{kind}Config")(
            **{**SIZES, "rope_parameters": {"rope_theta": 50_000.0}, **extra}
        )
        torch.manual_seed(5)
        model = getattr(transformers, f"{kind}ForCausalLM")._from_config(config, attn_implementation="eager").eval()
        state = {
            name: each.detach().clone() for name, each in revert_weight_conversion(model, model.state_dict()).items()
        }
        self.reference, self.theirs, self.own = model, folder / "theirs", folder / "own"
        self.theirs.mkdir()
        self.own.mkdir()
        save_file(state, self.theirs / "model.safetensors")
        stated = {**config.to_dict(), "architectures": [f"{kind}ForCausalLM"]}
        (self.theirs / "config.json").write_text(json.dumps(stated))
        save_file(dict(to_mistral(*each) for each in state.items()), self.own / "consolidated.safetensors")
        (self.own / "params.json").write_text(json.dumps({**PARAMS, **params}))
        tekken(self.own / "tekken.json")

    def rewrite(self, **params: Any) -> None:
        """Change params.json of the model in Mistral's layout."""
        path = self.own / "params.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **params}))


def opened(folder: Path, **selection: Any) -> tuple[Inspected, ModelFiles]:
    host, chosen = PluginHost(), ModelSelection(model_id=str(folder), **selection)
    files = locate(host, chosen, lambda *_args, **_more: None)
    return inspect(host, files, chosen), files


def logits(inspected: Inspected, ids: list[int]) -> torch.Tensor:
    source = CheckpointSource(inspected.checkpoint)
    model = PagedModel(inspected.architecture, inspected.raw, source)
    found = torch.cat([model.step({"a": part})["a"] for part in (ids[:7], ids[7:8], ids[8:])])
    assert not source.unread()
    return found


@pytest.mark.parametrize("case", CASES)
def test_both_layouts_give_the_logits_of_the_reference(case: str, tmp_path: Path) -> None:
    both = Both(tmp_path, case)
    ids = torch.randint(0, SIZES["vocab_size"], (19,), generator=torch.Generator().manual_seed(2)).tolist()
    with torch.inference_mode():
        wanted = both.reference(torch.tensor([ids])).logits[0]
    ours, theirs = opened(both.own)[0], opened(both.theirs)[0]
    assert ours.architecture.name == theirs.architecture.name == case.replace("window", "mistral")
    torch.testing.assert_close(logits(theirs, ids), wanted, rtol=0, atol=1e-4)
    torch.testing.assert_close(logits(ours, ids), wanted, rtol=0, atol=1e-4)


def test_its_tokenizer_and_ends_are_found(tmp_path: Path) -> None:
    both = Both(tmp_path, "mistral")
    inspected, files = opened(both.own)
    tokenizer = load_tokenizer(PluginHost(), files, inspected.checkpoint)
    assert tokenizer.encode("the").ids == [1, 42 + 256, 42 + ord("e")]
    assert inspected.checkpoint.special_ids() == {"bos": 1, "eos": 2}
    assert inspected.context_length == 128_000


def test_a_folder_with_both_layouts_gives_the_one_that_is_asked_for(tmp_path: Path) -> None:
    both = Both(tmp_path, "mistral")
    for path in both.theirs.iterdir():
        path.rename(both.own / path.name)
    assert "rope_style" not in opened(both.own)[0].raw
    assert opened(both.own, quantized_file=("consolidated.safetensors",))[0].raw["rope_style"] == "adjacent"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"quantization": {"qformat_weight": "fp8_e4m3"}}, "params.json: models with 'quantization' are not supported"),
        ({"kv_lora_rank": 8}, "params.json: models with 'kv_lora_rank' are not supported"),
        ({"moe": 3}, "params.json: 'moe' is no JSON object"),
        ({"yarn": [1]}, "params.json: 'yarn' is no JSON object"),
        ({"dim": "wide"}, "the configuration of own does not fit architecture/mistral: hidden_size"),
        ({"n_layers": 10**9}, "the configuration of own does not fit architecture/mistral: num_hidden_layers"),
        ({"n_kv_heads": 3}, "num_attention_heads .4. must be a multiple of num_key_value_heads .3."),
    ],
)
def test_what_does_not_fit_is_refused_by_name(params: dict[str, Any], message: str, tmp_path: Path) -> None:
    both = Both(tmp_path, "mistral")
    both.rewrite(**params)
    with pytest.raises(ModelFormatError, match=message):
        opened(both.own)


def test_two_names_for_one_tensor_are_refused(tmp_path: Path) -> None:
    both = Both(tmp_path, "mistral")
    twice = {
        "norm.weight": torch.ones(32),
        "model.norm.weight": torch.ones(32),
        "tok_embeddings.weight": torch.ones(3, 32),
    }
    save_file(twice, both.own / "consolidated.safetensors")
    with pytest.raises(ModelFormatError, match="are one and the same"):
        opened(both.own)
