"""How an architecture's GGUF files map to its Hugging Face checkpoints: a table in each plugin, no code.

Names follow the GGUF conventions of llama.cpp's ``gguf-py`` constants. Imports no torch.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
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
}
"""Config field to metadata key, for what decoders have in common."""

ROPE = {
    "rope_theta": "{arch}.rope.freq_base",
    "rope_type": "{arch}.rope.scaling.type",
    "factor": "{arch}.rope.scaling.factor",
    "original_max_position_embeddings": "{arch}.rope.scaling.original_context_length",
    "attention_factor": "{arch}.rope.scaling.attn_factor",
}

TENSORS = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "model.rope_freqs": "rope_freqs",
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""Module of the model to name in the file; those of a layer without their ``model.layers.N.`` and ``blk.N.``."""

_LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class GgufMap:
    """One architecture's mapping. ``config`` and ``tensors`` add to the common tables or replace their entries.

    ``constants`` are config fields that every file of this kind shares, above all the rotary style: converters that
    reorder query and key rows leave heads whose neighbours rotate together (``adjacent``).
    """

    config: Mapping[str, str] = field(default_factory=dict)
    tensors: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """A config.json's worth of fields from the file's metadata. Raises ModelFormatError naming what is missing."""
        arch = str(metadata.get("general.architecture", ""))
        embedding = tensors.get("token_embd.weight")
        if embedding is None or len(embedding.shape) != 2:
            raise ModelFormatError("the GGUF has no two-dimensional tensor 'token_embd.weight'")
        found = _pick({**CONFIG, **self.config}, arch, metadata)
        found["vocab_size"] = embedding.shape[0]
        found["tie_word_embeddings"] = "output.weight" not in tensors
        rope = _pick(ROPE, arch, metadata)
        if rope.get("rope_type") == "none":
            del rope["rope_type"]
        if rope:
            found["rope_parameters"] = rope
        return {**found, **self.constants}

    def rename(self, name: str) -> str:
        """The file's name for a tensor of the model."""
        module, _, leaf = name.rpartition(".")
        layer = _LAYER.fullmatch(module)
        part = layer[2] if layer else module
        stored = self.tensors.get(part) or TENSORS.get(part, part)
        return f"blk.{layer[1]}.{stored}.{leaf}" if layer else f"{stored}.{leaf}"


def _pick(table: Mapping[str, str], arch: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    keys = {name: key.format(arch=arch) for name, key in table.items()}
    return {name: metadata[key] for name, key in keys.items() if key in metadata}


PLAIN = GgufMap()
"""The mapping of architectures that need nothing beyond the common tables."""
