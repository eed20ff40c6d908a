"""How an architecture's GGUF files map to its Hugging Face checkpoints: a table in each plugin.

Names follow the GGUF conventions of llama.cpp's ``gguf-py`` constants. Imports no torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from mistralrs.checkpoint import TensorInfo
from mistralrs.errors import ModelFormatError

CONFIG = {
    "hidden_size": "{arch}.embedding_length",
    "intermediate_size": "{arch}.feed_forward_length",
    "num_hidden_layers": "{arch}.block_count",
    "num_attention_heads": "{arch}.attention.head_count",
    "num_key_value_heads": "{arch}.attention.head_count_kv",
    "head_dim": "{arch}.attention.key_length",
    "max_position_embeddings": "{arch}.context_length",
    "rms_norm_eps": "{arch}.attention.layer_norm_rms_epsilon",
    "sliding_window": "{arch}.attention.sliding_window",
    "sliding_window_pattern": "{arch}.attention.sliding_window_pattern",
    "attn_logit_softcapping": "{arch}.attn_logit_softcapping",
    "final_logit_softcapping": "{arch}.final_logit_softcapping",
}
"""Config field to metadata key, for what decoders have in common."""

ROPE = {
    "rope_theta": "{arch}.rope.freq_base",
    "rope_type": "{arch}.rope.scaling.type",
    "factor": "{arch}.rope.scaling.factor",
    "original_max_position_embeddings": "{arch}.rope.scaling.original_context_length",
    "attention_factor": "{arch}.rope.scaling.attn_factor",
    "beta_fast": "{arch}.rope.scaling.yarn_beta_fast",
    "beta_slow": "{arch}.rope.scaling.yarn_beta_slow",
}

TENSORS = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "model.rope_freqs": "rope_freqs",
    "model.rope_factors_short": "rope_factors_short",
    "model.rope_factors_long": "rope_factors_long",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""Module of the model to name in the file; those of a layer without their ``model.layers.N.`` and ``blk.N.``."""

SANDWICH_NORMS = {
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
"""Norms of layers that have one before and after each block."""

SCALES = {
    "attention_multiplier": "{arch}.attention.scale",
    "embedding_multiplier": "{arch}.embedding_scale",
    "residual_multiplier": "{arch}.residual_scale",
    "logits_scaling": "{arch}.logit_scale",
}
"""The multipliers of maximal update parametrization."""

POST_NORMS = {
    "post_attention_layernorm": "post_attention_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
"""Norms of layers that have one after each block and none before."""

BY_POSITION = {
    "transformer.wte": "token_embd",
    "transformer.wpe": "position_embd",
    "transformer.ln_f": "output_norm",
    "ln_1": "attn_norm",
    "ln_2": "ffn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}
"""Decoders under ``transformer.h`` that add a learned embedding of positions."""

EXPERT = re.compile(r"(.+\.experts)\.(\d+)\.(\w+)")
"""One expert's module; files from before experts were stacked have a tensor for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufMap:
    """One architecture's mapping. ``config`` and ``tensors`` add to the common tables or replace their entries.

    ``tensors`` are modules, or single tensors by their whole names; ``layers`` is where the model has its layers.
    ``flags`` are config fields that are true when the file holds the tensor.

    ``constants`` are config fields that every file of this kind shares, above all the rotary style: converters that
    reorder query and key rows leave heads whose neighbours rotate together (``adjacent``); ``rope`` are such fields of
    the rotary table. Files that leave out the
    attention scale name ``scale_by_width_at``: the number of layers of the one model that does not scale by its head
    size but by its width per head.
    """

    config: Mapping[str, str] = field(default_factory=dict)
    tensors: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    rope: Mapping[str, Any] = field(default_factory=dict)
    flags: Mapping[str, str] = field(default_factory=dict)
    layers: str = "model.layers"
    scale_by_width_at: int | None = None

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """A config.json's worth of fields from the file's metadata. Raises ModelFormatError naming what is missing."""
        arch = str(metadata.get("general.architecture", ""))
        embedding = tensors.get("token_embd.weight")
        if embedding is None or len(embedding.shape) != 2:
            raise ModelFormatError("the GGUF has no two-dimensional tensor 'token_embd.weight'")
        found = _pick({**CONFIG, **self.config}, arch, metadata)
        found["vocab_size"] = embedding.shape[0]
        layers, predicting = found.get("num_hidden_layers"), metadata.get(f"{arch}.nextn_predict_layers")
        if isinstance(layers, int) and isinstance(predicting, int):
            found["num_hidden_layers"] = layers - predicting  # blocks that only guess ahead come last
        if (eps := metadata.get(f"{arch}.attention.layer_norm_epsilon")) is not None:
            found.setdefault("rms_norm_eps", eps)
        found |= {flag: name in tensors for flag, name in self.flags.items()}
        found["attention_bias"] = "blk.0.attn_q.bias" in tensors or "blk.0.attn_qkv.bias" in tensors
        found["mlp_bias"] = "blk.0.ffn_up.bias" in tensors
        found["tie_word_embeddings"] = "output.weight" not in tensors
        if isinstance(found.get("sliding_window_pattern"), list):
            sliding = found.pop("sliding_window_pattern")
            found["layer_types"] = ["sliding_attention" if each else "full_attention" for each in sliding]
        if found.get("sliding_window") == 0:  # how files of families with windows say that they have none
            found["sliding_window"] = None
        found["rope_parameters"] = {**self.rope, **_rope(arch, metadata, found, "rope_factors_long.weight" in tensors)}
        if (theta := metadata.get(f"{arch}.rope.freq_base_swa")) is not None:
            found["sliding_rope_parameters"] = {"rope_theta": theta}
        if self.scale_by_width_at is not None:
            by_width = found.get("num_hidden_layers") == self.scale_by_width_at
            found["query_pre_attn_scalar"] = _width_per_head(found) if by_width else head_size(found)
        return {**found, **self.constants}

    def rename(self, name: str) -> str:
        """The file's name for a tensor of the model."""
        layer = re.fullmatch(re.escape(self.layers) + r"\.(\d+)\.(.+)", name)
        part = layer[2] if layer else name
        module, _, leaf = part.rpartition(".")
        if layer and (expert := EXPERT.fullmatch(module)):
            stacked = self.tensors.get(f"{expert[1]}.{expert[3]}", module)
            return f"blk.{layer[1]}.{stacked.removesuffix('_exps')}.{expert[2]}.{leaf}"
        stored = self.tensors.get(part) or f"{self.tensors.get(module) or TENSORS.get(module, module)}.{leaf}"
        return f"blk.{layer[1]}.{stored}" if layer else stored


def _pick(table: Mapping[str, str], arch: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    keys = {name: key.format(arch=arch) for name, key in table.items()}
    return {name: metadata[key] for name, key in keys.items() if key in metadata}


def _rope(arch: str, metadata: Mapping[str, Any], found: Mapping[str, Any], has_factors: bool) -> dict[str, Any]:
    """The rotary table. A file with two sets of divisors says so by its tensors only."""
    rope = _pick(ROPE, arch, metadata)
    factor, sharpen = _positive(rope.get("factor")), _positive(rope.get("attention_factor"))
    kind = rope.pop("rope_type", "linear")
    if has_factors:
        rope["rope_type"] = "longrope"
    elif factor and kind != "none":
        rope["rope_type"] = kind
        if kind == "yarn" and sharpen:  # here it multiplies the usual sharpening, in config.json it replaces it
            rope["attention_factor"] = sharpen * (0.1 * math.log(max(factor, 1)) + 1)
    rotary, head = _positive(metadata.get(f"{arch}.rope.dimension_count")), head_size(found)
    if rotary and head and rotary < head:
        rope["partial_rotary_factor"] = rotary / head
    return rope


def _positive(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 < value < 1e12 else None


def head_size(found: Mapping[str, Any]) -> int | None:
    """The head size that a file states or implies, None when its numbers make no sense."""
    size = found.get("head_dim", _width_per_head(found))
    return size if isinstance(size, int) else None


def _width_per_head(found: Mapping[str, Any]) -> int | None:
    width, heads = found.get("hidden_size"), found.get("num_attention_heads")
    if isinstance(width, int) and isinstance(heads, int) and heads > 0:
        return width // heads
    return None


def has_experts(tensors: Collection[str]) -> bool:
    """Whether the feed-forward blocks are mixtures of experts."""
    return any("_exps." in name or ".ffn_gate.0." in name for name in tensors)


def identity(metadata: Mapping[str, Any]) -> str:
    """All that a file says about which model it holds, in lower case."""
    stated = [metadata.get(f"general.{key}", "") for key in ("name", "basename", "finetune", "base_model.0.name")]
    return " ".join(map(str, stated)).lower()


PLAIN = GgufMap()
"""The mapping of architectures that need nothing beyond the common tables."""
