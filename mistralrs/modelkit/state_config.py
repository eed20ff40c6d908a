"""The part of config.json that models with recurrent layers share, with the names Hugging Face uses."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mistralrs.modelkit.config import CausalConfig, HeadSize, Size
from mistralrs.modelkit.experts_config import MoeConfig

LINEAR, FULL = "linear_attention", "full_attention"

_SAME_TYPE = {"mamba": LINEAR, "conv": LINEAR, "attention": FULL}

Width = Annotated[int, Field(ge=2, le=64)]
Limit = Annotated[float, Field(ge=0)]


class HybridConfig(CausalConfig):
    """A decoder some of whose layers carry a state instead of attending; ``layer_types`` says which.

    ``state_style`` says how a checkpoint stores what belongs to a scan: ``trained`` with the logarithms of decay
    rates, ``folded`` with the rates themselves, one to a row, and norms with a row for each group.
    """

    layer_types: tuple[Literal["linear_attention", "full_attention"], ...]  # type: ignore[assignment]
    state_style: Literal["trained", "folded"] = "trained"

    def carries(self, layer: int) -> bool:
        """Whether a layer is one of those with a state."""
        return self.layer_types[layer] == LINEAR

    @model_validator(mode="before")
    @classmethod
    def _name_layers(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        stated = raw.get("layer_types") or raw.get("layers_block_type") or _by_position(raw)
        if not isinstance(stated, list | tuple):
            return raw
        return {
            **raw,
            "layer_types": [_SAME_TYPE.get(kind, kind) if isinstance(kind, str) else kind for kind in stated],
        }


class DeltaConfig(HybridConfig):
    """A hybrid whose recurrent layers are gated delta nets; several value heads may share a key head.

    Unless the config says otherwise, every fourth layer attends, with heads of which a quarter is rotated.

    Those that do are neighbours; with ``heads_in_turns``, value head ``i`` takes key head ``i % key heads``.
    """

    head_dim: HeadSize = 256
    norm_offset: Annotated[float, Field(ge=0, le=1)] = 1.0
    linear_conv_kernel_dim: Width = 4
    linear_key_head_dim: Size = 128
    linear_value_head_dim: Size = 128
    linear_num_key_heads: Size = 16
    linear_num_value_heads: Size = 32
    heads_in_turns: bool = False

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        known = {"partial_rotary_factor": 0.25, "full_attention_interval": 4, **raw}
        inner, heads = raw.get("linear_inner_size"), raw.get("linear_num_value_heads")
        if isinstance(inner, int) and isinstance(heads, int) and heads > 0:
            known["linear_value_head_dim"] = inner // heads
        return known

    @model_validator(mode="after")
    def _keys_divide_values(self) -> Self:
        if self.linear_num_value_heads % self.linear_num_key_heads:
            raise ValueError(
                f"linear_num_value_heads ({self.linear_num_value_heads}) must be a multiple of "
                f"linear_num_key_heads ({self.linear_num_key_heads})"
            )
        return self


class DeltaMoeConfig(DeltaConfig, MoeConfig):
    """The same with experts."""

    norm_topk_prob: bool = True


def _by_position(raw: dict[str, Any]) -> list[str] | None:
    """Layer types of configs that state which layers attend, or every how many."""
    count = raw.get("num_hidden_layers")
    if not isinstance(count, int) or not 0 < count <= 4096:
        return None
    attending = raw.get("full_attn_idxs", raw.get("attn_layer_indices"))
    if isinstance(attending, list | tuple):
        return [FULL if index in attending else LINEAR for index in range(count)]
    period = raw.get("attn_layer_period", raw.get("full_attention_interval"))
    if not isinstance(period, int) or period < 1:
        return None
    offset = raw.get("attn_layer_offset", period - 1)
    return [FULL if index % period == offset else LINEAR for index in range(count)]


class SsmConfig(BaseModel):
    """The sizes of a Mamba-2 block: heads, the groups of them that share inputs, and the state of each."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mamba_n_heads: Size
    mamba_d_head: Size
    mamba_d_state: Size
    mamba_n_groups: Size = 1
    mamba_d_conv: Width = 4
    mamba_conv_bias: bool = True
    mamba_proj_bias: bool = False
    time_step_limit: tuple[Limit, Limit] = (0.0, math.inf)

    @model_validator(mode="before")
    @classmethod
    def _divide(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        known = {key: value for key, value in raw.items() if value is not None}
        heads, width = known.get("mamba_n_heads"), known.get("hidden_size")
        inner, expand = known.get("mamba_d_ssm"), known.get("mamba_expand", 2)
        if inner is None and isinstance(width, int) and isinstance(expand, int):
            inner = width * expand
        stated = known.get("mamba_d_head", "auto") != "auto"
        if not stated and isinstance(heads, int) and heads > 0 and isinstance(inner, int):
            known["mamba_d_head"] = inner // heads
        return known

    @model_validator(mode="after")
    def _groups_divide_heads(self) -> Self:
        if self.mamba_n_heads % self.mamba_n_groups:
            raise ValueError(
                f"mamba_n_heads ({self.mamba_n_heads}) must be a multiple of mamba_n_groups ({self.mamba_n_groups})"
            )
        return self
