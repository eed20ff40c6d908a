"""Recurrent layers in GGUF files, as llama.cpp's converters write them. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mistralrs.checkpoint import TensorInfo
from mistralrs.modelkit.config import MAX_LAYERS
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import GgufMap
from mistralrs.modelkit.state_config import FULL, LINEAR

SSM_CONFIG = {
    "mamba_d_conv": "{arch}.ssm.conv_kernel",
    "mamba_d_ssm": "{arch}.ssm.inner_size",
    "mamba_d_state": "{arch}.ssm.state_size",
    "mamba_n_groups": "{arch}.ssm.group_count",
    "mamba_n_heads": "{arch}.ssm.time_step_rank",
}
"""Config field of a Mamba-2 block to metadata key."""

DELTA_CONFIG = {
    "linear_conv_kernel_dim": "{arch}.ssm.conv_kernel",
    "linear_key_head_dim": "{arch}.ssm.state_size",
    "linear_num_key_heads": "{arch}.ssm.group_count",
    "linear_num_value_heads": "{arch}.ssm.time_step_rank",
    "linear_inner_size": "{arch}.ssm.inner_size",
    "full_attention_interval": "{arch}.full_attention_interval",
}
"""The same of a gated delta net."""

DELTA_TENSORS = {
    "linear_attn.in_proj_qkv": "attn_qkv",
    "linear_attn.in_proj_z": "attn_gate",
    "linear_attn.in_proj_ba": "ssm_ba",
    "linear_attn.in_proj_b": "ssm_beta",
    "linear_attn.in_proj_a": "ssm_alpha",
    "linear_attn.conv1d": "ssm_conv1d",
    "linear_attn.dt_bias": "ssm_dt.bias",
    "linear_attn.A_log": "ssm_a",
    "linear_attn.norm": "ssm_norm",
    "linear_attn.out_proj": "ssm_out",
    "post_attention_layernorm": "post_attention_norm",
}
"""Tensors of a gated delta net, and the norm behind it."""


CONV_CONFIG = {"conv_L_cache": "{arch}.shortconv.l_cache"}
"""The same of a gated short convolution."""

CONV_TENSORS = {
    "model.embedding_norm": "token_embd_norm",
    "operator_norm": "attn_norm",
    "conv.conv": "shortconv.conv",
    "conv.in_proj": "shortconv.in_proj",
    "conv.out_proj": "shortconv.out_proj",
    "self_attn.out_proj": "attn_output",
    "self_attn.q_layernorm": "attn_q_norm",
    "self_attn.k_layernorm": "attn_k_norm",
    "feed_forward.w1": "ffn_gate",
    "feed_forward.w3": "ffn_up",
    "feed_forward.w2": "ffn_down",
}
"""Tensors of decoders with gated short convolutions beside attention."""


def ssm_tensors(block: str) -> Mapping[str, str]:
    """Tensors of the Mamba-2 ``block`` of a layer."""
    names = {
        "in_proj": "ssm_in",
        "conv1d": "ssm_conv1d",
        "dt_bias": "ssm_dt.bias",
        "A_log": "ssm_a",
        "D": "ssm_d",
        "norm": "ssm_norm",
        "out_proj": "ssm_out",
    }
    return {f"{block}.{name}": stored for name, stored in names.items()}


class StateGgufMap(GgufMap):
    """A mapping for files some of whose layers carry states: those to which they give no key heads.

    It also says which layers have experts, by their tensors.
    """

    __slots__ = ()

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """See :meth:`GgufMap.to_config`."""
        found = super().to_config(metadata, tensors)
        heads = found.get("num_key_value_heads")
        if isinstance(heads, list):
            found["layer_types"] = [FULL if count else LINEAR for count in heads]
            found["num_key_value_heads"] = next(filter(None, heads), 1)
        found["state_style"] = "folded"
        found["mamba_conv_bias"] = any(name.endswith(".ssm_conv1d.bias") for name in tensors)
        found.setdefault("num_experts", 0)
        count = found.get("num_hidden_layers")
        if isinstance(count, int) and 0 < count <= MAX_LAYERS and found["num_experts"]:
            sparse = [f"blk.{layer}.ffn_gate_inp.weight" in tensors for layer in range(count)]
            found["mlp_layer_types"] = ["sparse" if each else "dense" for each in sparse]
        return found


DELTA = StateGgufMap(config=DELTA_CONFIG, tensors=DELTA_TENSORS, constants={"norm_offset": 0.0, "heads_in_turns": True})
"""The mapping of gated delta nets: one is added to the weights of norms, value heads take their keys in turns."""

DELTA_MOE = StateGgufMap(
    config={**MOE_CONFIG, **DELTA_CONFIG},
    tensors={**DELTA_TENSORS, **moe_tensors(shared="shared_expert"), "mlp.shared_expert_gate": "ffn_gate_inp_shexp"},
    constants={**DELTA.constants, "norm_topk_prob": True},
)
"""The same with experts."""
