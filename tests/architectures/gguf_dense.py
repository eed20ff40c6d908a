"""Decoders with tensors or settings of their own, as llama.cpp's converters write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gguf
import torch

State = dict[str, torch.Tensor]


class Sizes:
    """A configuration of transformers whose sizes all go by one name."""

    def __init__(self, config: Any) -> None:
        self._config = config
        if config.model_type == "gemma4_text":  # which refuses to say what differs between layers
            config.allow_global_per_layer_attribute_access = True
        heads = first(config, "num_attention_heads", "num_heads") or 1
        self.head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
        self.num_key_value_heads = getattr(config, "num_key_value_heads", None) or heads
        self.rope_parameters = getattr(config, "rope_parameters", None)
        self.intermediate_size = first(config, "n_inner", "ffn_hidden_size", "intermediate_size")
        if config.model_type == "falcon":
            self.num_key_value_heads = config.num_kv_heads if config.new_decoder_architecture else 1
        if config.model_type == "gpt_bigcode":
            self.num_key_value_heads = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._config, name)


def first(config: Any, *names: str) -> Any:
    """The first of the settings that the configuration has."""
    return next((value for name in names if (value := getattr(config, name, None)) is not None), None)


def reshaped(state: State, config: Any) -> State:
    """The tensors as converters leave them, still under the names of the model."""
    change = _RESHAPE.get(config.model_type)
    return change(state, config) if change else state


def _stacked(state: State, config: Any) -> State:
    """Queries, keys and values one after another instead of group by group."""
    result = dict(state)
    heads, groups, size = config.num_attention_heads, config.num_key_value_heads, config.head_dim
    for name, tensor in state.items():
        if name.split(".")[-2] in ("query_key_value", "c_attn"):
            grouped = tensor.reshape(groups, heads // groups + 2, size, *tensor.shape[1:])
            parts = grouped.split((heads // groups, 1, 1), dim=1)
            result[name] = torch.cat([part.reshape(-1, *tensor.shape[1:]) for part in parts])
    return result


def _turned(state: State, config: Any) -> State:
    """Matrices as ``[out, in]``."""
    turned = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
    return {name: tensor.T if name.endswith(turned) else tensor for name, tensor in state.items()}


def _norms_together(state: State, config: Any) -> State:
    """The norms of all heads in one tensor."""
    result: State = {}
    for name, tensor in state.items():
        stem, found, _ = name.partition(".norms.")
        together = f"{stem}.weight"
        result[together if found else name] = tensor
        if found:
            count = sum(other.startswith(f"{stem}.norms.") for other in state)
            result[together] = torch.stack([state[f"{stem}.norms.{head}.weight"] for head in range(count)])
    return result


def _with_factor(state: State, config: Any) -> State:
    """The factor of queries as the weight of their norm."""
    result = dict(state)
    for name in state:
        if name.endswith("q_proj.weight"):
            stem = name.removesuffix("q_proj.weight")
            result[f"{stem}q_norm.weight"] = torch.full((config.head_dim,), config.qk_scale_factor)
            result[f"{stem}k_norm.weight"] = torch.ones(config.head_dim)
    return result


def _without_activation(state: State, config: Any) -> State:
    """The numbers of the activation are metadata."""
    return {name: tensor for name, tensor in state.items() if ".act_fn." not in name}


_RESHAPE: dict[str, Callable[[State, Any], State]] = {
    "apertus": _without_activation,
    "falcon": _stacked,
    "gpt2": _turned,
    "gpt_bigcode": _stacked,
    "gpt_neox": _stacked,
    "muse_glimmer_text": _with_factor,
    "stablelm": _norms_together,
}


def add_norms(writer: gguf.GGUFWriter, config: Any) -> None:
    """The norms' epsilon, under the name of their kind."""
    rms = first(config, "rms_norm_eps")
    if rms is not None:
        writer.add_layer_norm_rms_eps(rms)
    else:
        writer.add_layer_norm_eps(
            first(config, "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps") or 1e-5
        )


def add_settings(writer: gguf.GGUFWriter, config: Any, state: State) -> None:
    """What only some families say."""
    kind = config.model_type
    if kind in ("granite", "granite_swa"):
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
    if kind in ("cohere", "cohere2"):
        writer.add_logit_scale(config.logit_scale)
    if kind in ("gpt_neox", "stablelm"):
        writer.add_parallel_residual(config.use_parallel_residual)
    if getattr(config, "clip_qkv", None):
        writer.add_clamp_kqv(config.clip_qkv)
    if kind == "granite_swa":
        writer.add_array("granite_swa.attention.rope_pattern", [bool(each) for each in config.layer_rope_theta])
    if kind == "muse_glimmer_text":
        writer.add_logit_scale(config.output_multiplier)
    if kind == "bitnet":
        writer.add_string("bitnet.hidden_activation", config.hidden_act)
    if "vl" in writer.arch:
        writer.add_rope_dimension_sections([2, 1, 1, 0])
    if kind in ("olmo3", "granite_swa", "muse_glimmer_text"):
        writer.add_sliding_window_pattern([each == "sliding_attention" for each in config.layer_types])
    if beta := (config.rope_parameters or {}).get("llama_4_scaling_beta"):
        writer.add_attn_temperature_scale(beta)
    if kind == "apertus":
        for name, add in _XIELU.items():
            getattr(writer, add)(_each_layer(state, name))


_XIELU = {
    "alpha_p": "add_xielu_alpha_p",
    "alpha_n": "add_xielu_alpha_n",
    "beta": "add_xielu_beta",
    "eps": "add_xielu_eps",
}


def _each_layer(state: State, name: str) -> list[float]:
    return [float(tensor) for key, tensor in state.items() if key.endswith(f"act_fn.{name}")]
