"""Mistral's own layout: ``consolidated.safetensors`` with ``params.json`` (the mistral-inference repository's)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mistralrs.checkpoint import Checkpoint, ModelFiles, TensorInfo
from mistralrs.errors import ModelFormatError
from mistralrs.modelkit.meta_names import from_meta
from mistralrs.modelkit.renamed import RenamedCheckpoint

PARAMS, STEM = "params.json", "consolidated"
EMBEDDING, HEAD, GATE, QUERY_BIAS = (
    "tok_embeddings.weight",
    "output.weight",
    "layers.0.feed_forward.w1.weight",
    "layers.0.attention.wq.bias",
)

FIELDS = {
    "dim": "hidden_size",
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "n_kv_heads": "num_key_value_heads",
    "head_dim": "head_dim",
    "hidden_dim": "intermediate_size",
    "norm_eps": "rms_norm_eps",
    "sliding_window": "sliding_window",
    "max_position_embeddings": "max_position_embeddings",
    "max_seq_len": "max_position_embeddings",
}
"""Key of params.json to field of config.json."""
ROUTING = {"num_experts": "num_experts", "num_experts_per_tok": "num_experts_per_tok"}
REFUSED = ("quantization", "kv_lora_rank", "q_lora_rank", "state_size", "lora")
"""Keys of models that are built, or stored, in another way."""

# mistral-inference prepares that many positions when a file does not say; and both of its bases, old and new.
CONTEXT, BASE, BASE_WITH_WINDOW = 128_000, 1e6, 1e4
# Of all of Mistral's vocabularies.
SPECIAL = {"bos": 1, "eos": 2}


def is_consolidated(files: ModelFiles) -> bool:
    """Whether the weights are in Mistral's layout. Repositories may hold the other one as well."""
    alone = "config.json" not in files.companions
    return PARAMS in files.companions and (alone or all(path.name.startswith(STEM) for path in files.weights))


def consolidated(inner: Checkpoint, params: Path) -> Checkpoint:
    """The checkpoint under the names of Hugging Face; ``inner`` has params.json as its metadata.

    Raises :class:`~mistralrs.errors.ModelFormatError` naming what is missing, or not supported in this layout.
    """
    config = _config(inner.metadata, inner.tensors, params.name)
    return RenamedCheckpoint(inner, from_meta, config["architectures"][0], config, SPECIAL)


def _config(stated: Mapping[str, Any], tensors: Mapping[str, TensorInfo], file: str) -> dict[str, Any]:
    for key in REFUSED:
        if stated.get(key):
            raise ModelFormatError(
                f"{file}: models with {key!r} are not supported in Mistral's own layout",
                "use the repository's files for Hugging Face: model*.safetensors with config.json",
            )
    embedding = tensors.get(EMBEDDING)
    if embedding is None or len(embedding.shape) != 2:
        raise ModelFormatError(f"the checkpoint has no two-dimensional tensor {EMBEDDING!r}")
    config = {name: stated[key] for key, name in FIELDS.items() if stated.get(key) is not None}
    config.setdefault("max_position_embeddings", CONTEXT)
    if (gate := tensors.get(GATE)) is not None and len(gate.shape) == 2:
        config.setdefault("intermediate_size", gate.shape[0])
    window = config.get("sliding_window")
    rope = _rope(stated, file) | {"rope_theta": stated.get("rope_theta") or (BASE_WITH_WINDOW if window else BASE)}
    kind, experts = "Mistral", stated.get("moe")
    if "llama_4_scaling_beta" in rope:
        kind = "Ministral3"
    if experts is not None:
        kind, experts = "Mixtral", _table(stated, "moe", file)
        config |= {name: experts[key] for key, name in ROUTING.items() if key in experts}
    return {
        **config,
        "architectures": [f"{kind}ForCausalLM"],
        "vocab_size": embedding.shape[0],
        "rope_parameters": rope,
        "rope_style": "adjacent",
        "attention_bias": QUERY_BIAS in tensors,
        "tie_word_embeddings": HEAD not in tensors,
    }


def _rope(stated: Mapping[str, Any], file: str) -> dict[str, Any]:
    """The rotary table of models with longer contexts than they were first trained with."""
    rope: dict[str, Any] = {}
    if stated.get("yarn") is not None:
        yarn = _table(stated, "yarn", file)
        keys = {"factor": "factor", "beta": "beta_fast", "alpha": "beta_slow"}
        rope = {name: yarn[key] for key, name in keys.items() if key in yarn} | {"rope_type": "yarn"}
        rope["original_max_position_embeddings"] = yarn.get("original_max_position_embeddings")
        if yarn.get("apply_scale") is False:
            rope["attention_factor"] = 1.0
    if stated.get("llama_4_scaling") is not None:
        growth = _table(stated, "llama_4_scaling", file)
        rope["llama_4_scaling_beta"] = growth.get("beta")
        rope.setdefault("original_max_position_embeddings", growth.get("original_max_position_embeddings"))
    return rope


def _table(stated: Mapping[str, Any], key: str, file: str) -> dict[str, Any]:
    found = stated[key]
    if not isinstance(found, dict):
        raise ModelFormatError(f"{file}: {key!r} is no JSON object", "the file is damaged: fetch it again")
    return found
