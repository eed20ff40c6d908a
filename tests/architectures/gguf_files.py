"""Writes a transformers checkpoint as the GGUF that llama.cpp's converters would make of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf_dense import Sizes, add_norms, add_settings, reshaped
from gguf_experts import add_experts, add_latent, folded
from gguf_shared import add_shared, joined, with_unused
from gguf_state import add_states, carried

from mistralrs.modelkit.gguf import GgufMap

PERMUTED = ("arcee", "granite", "granite_swa", "granitehybrid", "granitemoe", "llama", "mistral3", "olmo", "smollm3")
PERMUTED += ("muse-glimmer",)
OFFSET_NORMS = ("gemma", "gemma2", "gemma3", "nemotron")


def write(path: Path, arch: str, state: dict[str, torch.Tensor], config: Any, table: GgufMap, name: str = "") -> None:
    """Write ``state`` under the names of ``table``."""
    writer = gguf.GGUFWriter(str(path), arch)
    if name:
        writer.add_name(name)
    config = Sizes(config)
    _add_sizes(writer, config)
    if config.rope_parameters or hasattr(config, "rotary_dim"):
        _add_rope(writer, config)
    add_settings(writer, config, state)
    add_states(writer, config)
    add_shared(writer, config)
    _add_vocabulary(writer, config.vocab_size)
    for key, tensor in folded(with_unused(joined(reshaped(carried(state, config), config)), config), config).items():
        if key == "lm_head.weight" and config.tie_word_embeddings:
            continue
        writer.add_tensor(table.rename(key), np.ascontiguousarray(_converted(arch, key, tensor.numpy(), config)))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _converted(arch: str, key: str, data: np.ndarray[Any, Any], config: Any) -> np.ndarray[Any, Any]:
    if arch in PERMUTED and ("q_proj" in key or "k_proj" in key):
        heads = config.num_attention_heads if "q_proj" in key else config.num_key_value_heads
        # The halves of each head interleaved.
        return data.reshape(heads, 2, -1, *data.shape[1:]).swapaxes(1, 2).reshape(data.shape)
    offset = arch in OFFSET_NORMS and key.endswith("norm.weight")
    return data + 1 if offset or (arch == "muse-glimmer" and key.endswith("layernorm.weight")) else data


def _add_sizes(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size or 0)
    writer.add_head_count(getattr(config, "num_attention_heads", 0))
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_context_length(config.max_position_embeddings)
    add_norms(writer, config)
    if hasattr(config, "kv_lora_rank"):
        add_latent(writer, config)
    else:
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    add_experts(writer, config)
    if hasattr(config, "sliding_window"):
        writer.add_sliding_window(config.sliding_window or 0)
    if cap := getattr(config, "attn_logit_softcapping", None):
        writer.add_attn_logit_softcapping(cap)
    if cap := getattr(config, "final_logit_softcapping", None):
        writer.add_final_logit_softcapping(cap)


def _add_rope(writer: gguf.GGUFWriter, config: Any) -> None:
    rope = config.rope_parameters
    rope = rope.get("full_attention", rope)
    rotary = int(config.head_dim * rope.get("partial_rotary_factor", 1.0))
    writer.add_rope_dimension_count(rotary)
    writer.add_rope_freq_base(rope["rope_theta"])
    kind, trained = rope["rope_type"], rope.get("original_max_position_embeddings")
    if kind in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(kind))
        writer.add_rope_scaling_factor(rope["factor"])
    if kind in ("yarn", "longrope"):
        writer.add_rope_scaling_orig_ctx_len(trained)
    if kind == "yarn" and rope.get("attention_factor"):
        writer.add_rope_scaling_attn_factors(rope["attention_factor"] / (0.1 * math.log(rope["factor"]) + 1))
    if kind == "longrope":
        ratio = config.max_position_embeddings / trained
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(ratio) / math.log(trained)))
        for length in ("short", "long"):
            writer.add_tensor(f"rope_factors_{length}.weight", np.array(rope[f"{length}_factor"], np.float32))
    if kind == "llama3":
        writer.add_tensor("rope_freqs.weight", _llama3_divisors(rope, rotary))


def _llama3_divisors(rope: dict[str, Any], rotary: int) -> np.ndarray[Any, Any]:
    wavelength = 2 * np.pi * rope["rope_theta"] ** (np.arange(0, rotary, 2) / rotary)
    turns = rope["original_max_position_embeddings"] / wavelength
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    keep = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / (keep + (1 - keep) / rope["factor"])).astype(np.float32)


def _add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """Enough of a tokenizer for llama.cpp to load the file."""
    kinds = gguf.TokenType
    writer.add_tokenizer_model("llama")
    writer.add_token_list(["<unk>", "<s>", "</s>", "<0x0A>", *(f"t{index}" for index in range(4, size))])
    writer.add_token_scores([0.0] * size)
    special = [kinds.UNKNOWN, kinds.CONTROL, kinds.CONTROL, kinds.BYTE]
    writer.add_token_types([*special, *([kinds.NORMAL] * (size - len(special)))])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
