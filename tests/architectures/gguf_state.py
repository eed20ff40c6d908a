"""Recurrent layers as llama.cpp's converters write them: rates instead of logarithms, value heads in turns, sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gguf
import torch

State = dict[str, torch.Tensor]


def carried(state: State, config: Any) -> State:
    """The tensors as converters leave them, still under the names of the model."""
    change = _CHANGE.get(config.model_type)
    return change(state, config) if change else state


def add_states(writer: gguf.GGUFWriter, config: Any) -> None:
    """What a GGUF says about recurrent layers, as far as the family has any."""
    add = _SIZES.get(config.model_type)
    if add:
        add(writer, config)


def _rates(name: str, tensor: torch.Tensor) -> torch.Tensor:
    return -tensor.exp() if name.endswith("A_log") else tensor


def _squeezed(state: State, config: Any) -> State:
    """Convolutions as matrices."""
    convolutions = {name for name, tensor in state.items() if tensor.dim() == 3 and tensor.shape[1] == 1}
    return {name: tensor[:, 0] if name in convolutions else tensor for name, tensor in state.items()}


def _mamba(state: State, config: Any) -> State:
    return {name: _rates(name, tensor) for name, tensor in _squeezed(state, config).items()}


def _mamba2(state: State, config: Any) -> State:
    """The same with a row for each head's rate, and for each group of the norm."""
    result: State = {}
    groups = getattr(config, "n_groups", None) or config.mamba_n_groups
    for name, tensor in _mamba(state, config).items():
        if name.endswith(("A_log", ".D")):
            tensor = tensor[:, None]
        if name.endswith(("mixer.norm.weight", "mamba.norm.weight")):
            tensor = tensor.view(groups, -1)
        result[name] = tensor
    return result


def _granite(state: State, config: Any) -> State:
    result: State = {}
    for name, tensor in _mamba2(state, config).items():
        if not config.num_local_experts and ".shared_mlp." in name:
            parts = dict(zip(("gate_proj", "up_proj"), tensor.chunk(2), strict=True))
            parts = parts if "input_linear" in name else {"down_proj": tensor}
            stem = (
                name.replace("shared_mlp", "mlp")
                .removesuffix("input_linear.weight")
                .removesuffix("output_linear.weight")
            )
            result |= {f"{stem}{part}.weight": piece for part, piece in parts.items()}
        else:
            result[name] = tensor
    return result


def _falcon(state: State, config: Any) -> State:
    """Multipliers become part of the weights."""
    into, out = config.ssm_in_multiplier, config.ssm_out_multiplier
    attended = config.attention_in_multiplier
    inner, shared = config.mamba_d_ssm, config.mamba_n_groups * config.mamba_d_state
    sizes = torch.tensor([inner, inner, shared, shared, config.mamba_n_heads])
    columns = torch.tensor(config.ssm_multipliers).repeat_interleave(sizes)[:, None]
    factors = {
        "feed_forward.down_proj": config.mlp_multipliers[1],
        "feed_forward.gate_proj": config.mlp_multipliers[0],
        "k_proj": config.key_multiplier * attended,
        "q_proj": attended,
        "v_proj": attended,
        "o_proj": config.attention_out_multiplier,
        "mamba.out_proj": out,
        "mamba.in_proj": into * columns,
        "lm_head": config.lm_head_multiplier,
        "embed_tokens": config.embedding_multiplier,
    }
    result = _mamba2(state, config)
    for name in result:
        factor = next((each for key, each in factors.items() if name.endswith(f"{key}.weight")), 1.0)
        result[name] = result[name] * factor
    return result


def _delta(state: State, config: Any) -> State:
    """One added to the weights of norms; queries, keys and values apart from the gate."""
    result: State = {}
    heads, key = config.linear_num_key_heads, config.linear_key_head_dim
    values = config.linear_num_value_heads // heads * config.linear_value_head_dim
    for name, tensor in _mamba(state, config).items():
        if name.endswith("norm.weight") and "linear_attn" not in name:
            result[name] = tensor + 1
        elif "in_proj_qkvz" in name:
            parts = tensor.view(heads, -1, tensor.shape[1]).split((key, key, values, values), dim=1)
            flat = [part.reshape(-1, tensor.shape[1]) for part in parts]
            result[name.replace("qkvz", "qkv")] = torch.cat(flat[:3])
            result[name.replace("qkvz", "z")] = flat[3]
        else:
            result[name] = tensor
    return result


def _delta_in_turns(state: State, config: Any) -> State:
    """The same with the first value head of every key head first, then the second, and so on."""
    result = _delta(state, config)
    heads, size = config.linear_num_key_heads, config.linear_value_head_dim
    keys = 2 * heads * config.linear_key_head_dim

    def turned(tensor: torch.Tensor, width: int, dim: int = 0) -> torch.Tensor:
        return tensor.unflatten(dim, (heads, -1, width)).transpose(dim, dim + 1).flatten(dim, dim + 2)

    for name, tensor in result.items():
        leaf = name.rpartition("linear_attn.")[2].removesuffix(".weight")
        if leaf in ("in_proj_qkv", "conv1d"):
            result[name] = torch.cat((tensor[:keys], turned(tensor[keys:], size)))
        elif leaf in ("in_proj_z",):
            result[name] = turned(tensor, size)
        elif leaf in ("in_proj_a", "in_proj_b", "A_log", "dt_bias"):
            result[name] = turned(tensor, 1)
        elif leaf == "out_proj":
            result[name] = turned(tensor, size, 1)
    return result


_CHANGE: dict[str, Callable[[State, Any], State]] = {
    "falcon_h1": _falcon,
    "granitemoehybrid": _granite,
    "jamba": _mamba,
    "lfm2": _squeezed,
    "lfm2_moe": _squeezed,
    "falcon_mamba": _mamba,
    "mamba": _mamba,
    "mamba2": _mamba2,
    "nemotron_h": _mamba2,
    "qwen3_5_text": _delta_in_turns,
    "qwen3_5_moe_text": _delta_in_turns,
    "qwen3_next": _delta,
}


def _by_layer(writer: gguf.GGUFWriter, config: Any) -> None:
    """Key heads of each layer, none in recurrent ones."""
    heads = config.num_key_value_heads
    writer.add_head_count_kv([heads if kind == "full_attention" else 0 for kind in config.layer_types])


def _add_ssm(writer: gguf.GGUFWriter, conv: int, inner: int, state: int, rank: int, groups: int | None = None) -> None:
    writer.add_ssm_conv_kernel(conv)
    writer.add_ssm_inner_size(inner)
    writer.add_ssm_state_size(state)
    writer.add_ssm_time_step_rank(rank)
    if groups is not None:
        writer.add_ssm_group_count(groups)


def _add_lfm2(writer: gguf.GGUFWriter, config: Any) -> None:
    _by_layer(writer, config)
    writer.add_shortconv_l_cache(config.conv_L_cache)
    writer.add_layer_norm_rms_eps(config.norm_eps)
    if config.model_type == "lfm2":
        width = int(2 * config.intermediate_size / 3)
        writer.add_feed_forward_length(-(-width // config.block_multiple_of) * config.block_multiple_of)
    else:
        writer.add_leading_dense_block_count(config.num_dense_layers)
        writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)


def _add_mamba2(writer: gguf.GGUFWriter, config: Any) -> None:
    inner = config.num_heads * config.head_dim
    _add_ssm(writer, config.conv_kernel, inner, config.state_size, config.num_heads, config.n_groups)
    writer.add_head_count(0)
    writer.add_layer_norm_rms_eps(config.layer_norm_epsilon)


def _add_mamba(writer: gguf.GGUFWriter, config: Any) -> None:
    _add_ssm(writer, config.conv_kernel, config.intermediate_size, config.state_size, config.time_step_rank)
    writer.add_ssm_dt_b_c_rms(config.model_type == "falcon_mamba")
    writer.add_head_count(0)
    writer.add_layer_norm_rms_eps(config.layer_norm_epsilon)


def _add_hybrid(writer: gguf.GGUFWriter, config: Any) -> None:
    heads, inner = config.mamba_n_heads, config.mamba_n_heads * config.mamba_d_head
    _add_ssm(writer, config.mamba_d_conv, inner, config.mamba_d_state, heads, config.mamba_n_groups)
    if config.model_type == "granitemoehybrid":
        _by_layer(writer, config)
        writer.add_rope_scaling_finetuned(False)
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
        if config.num_local_experts:
            writer.add_expert_shared_feed_forward_length(config.shared_intermediate_size)
        else:
            writer.add_feed_forward_length(config.shared_intermediate_size)


def _add_jamba(writer: gguf.GGUFWriter, config: Any) -> None:
    _by_layer(writer, config)
    inner = config.mamba_expand * config.hidden_size
    _add_ssm(writer, config.mamba_d_conv, inner, config.mamba_d_state, config.mamba_dt_rank)


def _add_nemotron(writer: gguf.GGUFWriter, config: Any) -> None:
    _by_layer(writer, config)
    heads, inner = config.mamba_num_heads, config.mamba_num_heads * config.mamba_head_dim
    _add_ssm(writer, config.conv_kernel, inner, config.ssm_state_size, heads, config.n_groups)
    writer.add_feed_forward_length([config.intermediate_size if kind == "mlp" else 0 for kind in config.layer_types])
    writer.add_layer_norm_rms_eps(config.layer_norm_epsilon)


def _add_minimax(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_residual_scale(config.full_attn_alpha_factor)
    recurrent = [kind == "linear_attention" for kind in config.layer_types]
    writer.add_array("minimax-01.attention.recurrent_layers", recurrent)


def _add_delta(writer: gguf.GGUFWriter, config: Any) -> None:
    inner = config.linear_num_value_heads * config.linear_value_head_dim
    groups, heads = config.linear_num_key_heads, config.linear_num_value_heads
    _add_ssm(writer, config.linear_conv_kernel_dim, inner, config.linear_key_head_dim, heads, groups)
    writer.add_full_attention_interval(config.layer_types.index("full_attention") + 1)
    if width := getattr(config, "shared_expert_intermediate_size", None):
        writer.add_expert_shared_feed_forward_length(width)
    if config.model_type.startswith("qwen3_5"):
        writer.add_rope_dimension_sections([1, 1, 0, 0])


_SIZES = {
    "falcon_h1": _add_hybrid,
    "granitemoehybrid": _add_hybrid,
    "jamba": _add_jamba,
    "lfm2": _add_lfm2,
    "lfm2_moe": _add_lfm2,
    "falcon_mamba": _add_mamba,
    "mamba": _add_mamba,
    "mamba2": _add_mamba2,
    "minimax": _add_minimax,
    "nemotron_h": _add_nemotron,
    "qwen3_5_text": _add_delta,
    "qwen3_5_moe_text": _add_delta,
    "qwen3_next": _add_delta,
}
