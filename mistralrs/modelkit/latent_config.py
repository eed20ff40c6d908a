"""The part of config.json and of GGUF metadata that describes multi-head latent attention."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, model_validator

from mistralrs.checkpoint import TensorInfo
from mistralrs.modelkit.config import CausalConfig, HeadSize, Size
from mistralrs.modelkit.gguf import GgufMap


class LatentConfig(CausalConfig):
    """A decoder whose keys and values come from a latent of ``kv_lora_rank`` numbers per token.

    Of each query and key head ``qk_nope_head_dim`` numbers know no position; ``qk_rope_head_dim``, which is what
    ``head_dim`` means here, are rotated, and all heads share those of the key. ``q_lora_rank`` None: queries are
    projected directly. ``latent_norm_eps`` is that of the norms of latents, which are not the model's.
    """

    q_lora_rank: Size | None = None
    kv_lora_rank: Size
    qk_nope_head_dim: Size
    qk_rope_head_dim: HeadSize
    v_head_dim: Size
    latent_norm_eps: Annotated[float, Field(ge=0, lt=1)] = 1e-6

    @model_validator(mode="before")
    @classmethod
    def _heads(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        known = {**raw, "head_dim": raw.get("qk_rope_head_dim"), "num_key_value_heads": raw.get("num_attention_heads")}
        if isinstance(known.get("rope_interleave"), bool):
            known["rope_style"] = "adjacent" if known["rope_interleave"] else "halves"
        return known


LATENT_CONFIG = {
    "q_lora_rank": "{arch}.attention.q_lora_rank",
    "kv_lora_rank": "{arch}.attention.kv_lora_rank",
    "qk_rope_head_dim": "{arch}.rope.dimension_count",
}

LATENT_TENSORS = {
    "self_attn.q_a_proj": "attn_q_a",
    "self_attn.q_a_layernorm": "attn_q_a_norm",
    "self_attn.q_b_proj": "attn_q_b",
    "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
    "self_attn.kv_a_layernorm": "attn_kv_a_norm",
    "self_attn.kv_b_proj": "attn_kv_b",
    "self_attn.k_b_proj": "attn_k_b",
    "self_attn.v_b_proj": "attn_v_b",
}


@dataclass(frozen=True)
class LatentGgufMap(GgufMap):
    """A mapping that adds the fields of latent attention.

    Files state the sizes of whole heads: as ``key_length_mla`` where ``key_length`` is that of the latent, or as
    ``key_length`` in older ones.
    """

    def to_config(self, metadata: Mapping[str, Any], tensors: Mapping[str, TensorInfo]) -> dict[str, Any]:
        """See :meth:`GgufMap.to_config`."""
        found = GgufMap.to_config(self, metadata, tensors)
        arch = metadata.get("general.architecture")
        for name, stated in (("key", "qk_nope_head_dim"), ("value", "v_head_dim")):
            size = metadata.get(f"{arch}.attention.{name}_length_mla", metadata.get(f"{arch}.attention.{name}_length"))
            found[stated] = size
        rotated, head = found.get("qk_rope_head_dim"), found["qk_nope_head_dim"]
        if isinstance(rotated, int) and isinstance(head, int):
            found["qk_nope_head_dim"] = head - rotated
        found["rope_parameters"] = {**found["rope_parameters"], "partial_rotary_factor": 1.0}
        found["rope_parameters"].update(_yarn(arch, metadata, found["rope_parameters"]))
        return found


def _yarn(arch: Any, metadata: Mapping[str, Any], rope: Mapping[str, Any]) -> dict[str, Any]:
    """Both weights of YaRN's sharpening: files keep a tenth of the one that scales attention, for both."""
    tenth = metadata.get(f"{arch}.rope.scaling.yarn_log_multiplier")
    if rope.get("rope_type") != "yarn" or not isinstance(tenth, int | float):
        return {}
    return {"mscale": tenth * 10, "mscale_all_dim": tenth * 10, "attention_factor": None}
