"""Experts and latent attention as llama.cpp's converters write them: tensors stacked, cut and turned, and metadata."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import gguf
import torch

State = dict[str, torch.Tensor]
_EXPERT = re.compile(r"(.+\.experts)\.(\d+)\.(.+)")


def folded(state: State, config: Any) -> State:
    """A checkpoint's tensors as a GGUF has them, still under the names of the model."""
    if config.model_type == "gemma4_text":
        return state
    return _latent(_apart(_stacked(state)), config)


def _stacked(state: State) -> State:
    """One tensor for all experts of a layer instead of one each."""
    result: State = {}
    experts: dict[str, dict[int, torch.Tensor]] = defaultdict(dict)
    for name, tensor in state.items():
        if found := _EXPERT.fullmatch(name):
            experts[f"{found[1]}.{found[3]}"][int(found[2])] = tensor
        else:
            result[name] = tensor
    for name, each in experts.items():
        result[name] = torch.stack([each[index] for index in sorted(each)])
    return result


def _apart(state: State) -> State:
    """Gate and up as tensors of their own, all of them ``[experts, out, in]``."""
    result: State = {}
    for name, tensor in state.items():
        block, _, leaf = name.rpartition(".experts.")
        at = f"{block}.experts"
        alternating = f"{at}.gate_up_proj_bias" in state
        if leaf == "gate_up_proj":
            turned = tensor.transpose(1, 2)
            halves = (turned[:, 0::2], turned[:, 1::2]) if alternating else turned.chunk(2, dim=1)
            result |= {f"{at}.gate_proj.weight": halves[0], f"{at}.up_proj.weight": halves[1]}
        elif leaf == "gate_up_proj_bias":
            result |= {f"{at}.gate_proj.bias": tensor[:, 0::2], f"{at}.up_proj.bias": tensor[:, 1::2]}
        elif leaf == "down_proj":
            result[f"{at}.down_proj.weight"] = tensor.transpose(1, 2)
        elif leaf == "down_proj_bias":
            result[f"{at}.down_proj.bias"] = tensor
        elif name.endswith("block_sparse_moe.input_linear.weight"):
            gate, up = tensor.chunk(2, dim=1)
            stem = name.removesuffix("input_linear.weight")
            result |= {f"{stem}experts.gate_proj.weight": gate, f"{stem}experts.up_proj.weight": up}
        elif name.endswith("block_sparse_moe.output_linear.weight"):
            result[name.replace("output_linear", "experts.down_proj")] = tensor
        elif name.endswith("shared_mlp.input_linear.weight"):
            gate, up = tensor.chunk(2)
            result |= {name.replace("input_linear", "gate_proj"): gate, name.replace("input_linear", "up_proj"): up}
        elif name.endswith(("shared_expert_gate.weight", "moe_statics.e_score_correction_bias")):
            result[name] = tensor[0]
        else:
            result[name] = tensor
    return result


def _latent(state: State, config: Any) -> State:
    """The matrix from latents to keys and values cut in two, that of keys transposed. MiniCPM's stays whole."""
    if config.model_type == "minicpm3":
        return state
    result: State = {}
    for name, tensor in state.items():
        if name.endswith("kv_b_proj.weight"):
            heads = tensor.view(config.num_attention_heads, -1, config.kv_lora_rank)
            keys, values = heads.split((config.qk_nope_head_dim, config.v_head_dim), dim=1)
            result[name.replace("kv_b_proj", "k_b_proj")] = keys.transpose(1, 2)
            result[name.replace("kv_b_proj", "v_b_proj")] = values
        else:
            result[name] = tensor
    return result


def add_latent(writer: gguf.GGUFWriter, config: Any) -> None:
    """Sizes of latent attention; they replace those of ordinary heads."""
    rank, rotated = config.kv_lora_rank, config.qk_rope_head_dim
    if config.q_lora_rank:
        writer.add_q_lora_rank(config.q_lora_rank)
    writer.add_kv_lora_rank(rank)
    head = config.qk_nope_head_dim + rotated
    if config.model_type == "minicpm3":
        writer.add_key_length(head)
        writer.add_value_length(config.v_head_dim)
        return
    writer.add_head_count_kv(1)
    writer.add_key_length(rank + rotated)
    writer.add_value_length(rank)
    writer.add_key_length_mla(head)
    writer.add_value_length_mla(config.v_head_dim)
    if weight := config.rope_parameters.get("mscale_all_dim"):
        writer.add_rope_scaling_yarn_log_mul(0.1 * weight)


def add_experts(writer: gguf.GGUFWriter, config: Any) -> None:
    """What a GGUF says about experts, as far as the family says it."""
    count = _first(config, "num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
    if not count or config.model_type == "nemotron_h":  # which states experts that these layers do not have
        return
    writer.add_expert_count(count)
    writer.add_expert_used_count(_first(config, "num_experts_per_tok", "moe_topk", "moe_k"))
    if width := _first(config, "moe_intermediate_size"):
        writer.add_expert_feed_forward_length(width)
    if shared := _first(config, "n_shared_experts", "moe_num_shared_experts"):
        writer.add_expert_shared_count(shared)
    if (dense := _first(config, "first_k_dense_replace", "moe_layer_start_index")) is not None:
        writer.add_leading_dense_block_count(dense)
    if scale := _first(config, "routed_scaling_factor"):
        writer.add_expert_weights_scale(scale)
    if groups := _first(config, "n_group"):
        writer.add_expert_group_count(groups)
        writer.add_expert_group_used_count(config.topk_group)
    _FAMILY.get(config.model_type, _nothing)(writer, config)


def _first(config: Any, *names: str) -> Any:
    return next((value for name in names if (value := getattr(config, name, None)) is not None), None)


def _nothing(writer: gguf.GGUFWriter, config: Any) -> None:
    pass


def _sigmoid(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    writer.add_expert_weights_norm(bool(getattr(config, "norm_topk_prob", True)))


def _shared_width(writer: gguf.GGUFWriter, config: Any) -> None:
    width = _first(config, "shared_expert_intermediate_size", "shared_intermediate_size")
    writer.add_expert_shared_feed_forward_length(width or config.intermediate_size)


def _narrow(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_expert_feed_forward_length(config.intermediate_size)


def _hunyuan(writer: gguf.GGUFWriter, config: Any) -> None:
    _narrow(writer, config)
    _shared_width(writer, config)


def _minimax(writer: gguf.GGUFWriter, config: Any) -> None:
    _narrow(writer, config)
    _sigmoid(writer, config)


def _granite(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_attention_scale(config.attention_multiplier)
    writer.add_embedding_scale(config.embedding_multiplier)
    writer.add_residual_scale(config.residual_multiplier)
    writer.add_logit_scale(config.logits_scaling)
    if getattr(config, "shared_intermediate_size", None):
        _shared_width(writer, config)


def _llama4(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_interleave_moe_layer_step(config.interleave_moe_layer_step)
    writer.add_expert_feed_forward_length(config.intermediate_size)
    writer.add_feed_forward_length(config.intermediate_size_mlp)
    writer.add_uint32("llama4.attention.chunk_size", config.attention_chunk_size)


def _ernie(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_interleave_moe_layer_step(config.moe_layer_interval)
    writer.add_expert_shared_feed_forward_length(config.moe_num_shared_experts * config.moe_intermediate_size)


_FAMILY = {
    "qwen2_moe": _shared_width,
    "hunyuan_v1_moe": _hunyuan,
    "granitemoe": _granite,
    "granitemoeshared": _granite,
    "deepseek_v3": _sigmoid,
    "glm4_moe_lite": _sigmoid,
    "glm4_moe": _sigmoid,
    "dots1": _sigmoid,
    "minimax_m2": _minimax,
    "gpt_oss": _narrow,
    "llama4_text": _llama4,
    "ernie4_5_moe": _ernie,
}
