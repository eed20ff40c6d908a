"""Gemma 4 in GGUF: what differs between layers is listed, and frequencies of still numbers are divided by much."""

from collections.abc import Mapping
from typing import Any

from mistralrs.checkpoint import TensorInfo
from mistralrs.errors import ModelFormatError
from mistralrs.modelkit.shared_gguf import SHARED_CONFIG, SHARED_TENSORS, SharedGgufMap


class Gemma4GgufMap(SharedGgufMap):
    """What the metadata says otherwise than config.json, or not at all."""

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """See :meth:`mistralrs.modelkit.GgufMap.to_config`."""
        found = super().to_config(metadata, tensors)
        kinds = found.get("layer_types") or []
        everywhere = [layer for layer, kind in enumerate(kinds) if kind == "full_attention"]
        if isinstance(widths := found["intermediate_size"], list):
            found["intermediate_size"], wide = _narrow_and_wide(widths)
            found["use_double_wide_mlp"] = wide
        if isinstance(counts := found.get("num_key_value_heads"), list) and len(counts) == len(kinds):
            listed = dict(zip(kinds, counts, strict=True))
            found["num_key_value_heads"] = listed.get("sliding_attention", counts[0])
            found["num_global_key_value_heads"] = listed.get("full_attention")
        found["attention_k_eq_v"] = any(
            f"blk.{layer}.attn_k.weight" in tensors and f"blk.{layer}.attn_v.weight" not in tensors
            for layer in everywhere
        )
        return found


def _narrow_and_wide(widths: list[Any]) -> tuple[Any, bool]:
    """The width of the first layers, and whether the last are twice as wide."""
    if not widths or any(width not in (widths[0], 2 * widths[0]) for width in widths):
        raise ModelFormatError("feed_forward_length lists widths other than one and its double")
    return widths[0], widths[-1] != widths[0]


GGUF = Gemma4GgufMap(
    config={
        **SHARED_CONFIG,
        "head_dim": "{arch}.attention.key_length_swa",
        "global_head_dim": "{arch}.attention.key_length",
        "num_experts": "{arch}.expert_count",
        "top_k_experts": "{arch}.expert_used_count",
        "moe_intermediate_size": "{arch}.expert_feed_forward_length",
    },
    tensors={
        **SHARED_TENSORS,
        "layer_scalar": "layer_output_scale.weight",
        "pre_feedforward_layernorm_2": "pre_ffw_norm_2",
        "post_feedforward_layernorm_1": "post_ffw_norm_1",
        "post_feedforward_layernorm_2": "post_ffw_norm_2",
        "router.proj": "ffn_gate_inp",
        "router.scale": "ffn_gate_inp.scale",
        "router.per_expert_scale": "ffn_down_exps.scale",
        "experts.gate_up_proj": "ffn_gate_up_exps.weight",
        "experts.down_proj": "ffn_down_exps.weight",
        "experts.gate_proj.weight": "ffn_gate_exps.weight",
        "experts.up_proj.weight": "ffn_up_exps.weight",
        "experts.down_proj.weight": "ffn_down_exps.weight",
    },
    rope={"rope_type": "proportional"},
    flags={"enable_moe_block": "blk.0.ffn_gate_inp.weight"},
)
