"""The part of config.json that causal language models share, with the names Hugging Face uses.

Checked before torch is imported: sizes are bounded and consistent, so that a hostile file is refused by name and not
by running out of memory.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Size = Annotated[int, Field(gt=0, le=2**24)]
Count = Annotated[int, Field(gt=0, le=4096)]
Positive = Annotated[float, Field(gt=0, lt=1e12, allow_inf_nan=False)]


class RopeParameters(BaseModel):
    """Rotary settings, as transformers 5 nests them and as ``rope_scaling`` had them before."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    rope_type: Literal["default", "linear", "llama3", "yarn"] = "default"
    rope_theta: Positive = 10_000.0
    partial_rotary_factor: Annotated[float, Field(gt=0, le=1)] = 1.0
    factor: Annotated[float, Field(ge=1, lt=1e6)] = 1.0
    original_max_position_embeddings: Size | None = None
    low_freq_factor: Positive = 1.0
    high_freq_factor: Positive = 4.0
    beta_fast: Positive = 32.0
    beta_slow: Positive = 1.0
    attention_factor: Positive | None = None
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool = True


class CausalConfig(BaseModel):
    """A decoder's sizes. Keys that are not read are ignored; null counts as absent."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    vocab_size: Size
    hidden_size: Size
    intermediate_size: Size
    num_hidden_layers: Count
    num_attention_heads: Count
    num_key_value_heads: Count
    head_dim: Annotated[int, Field(gt=0, le=4096, multiple_of=2)]
    max_position_embeddings: Annotated[int, Field(gt=0, le=2**31)] = 4096
    rms_norm_eps: Annotated[float, Field(ge=0, lt=1)] = 1e-6
    rope_parameters: RopeParameters = RopeParameters()
    rope_style: Literal["halves", "adjacent"] = "halves"
    hidden_act: Literal["silu", "gelu", "gelu_pytorch_tanh"] = "silu"
    attention_bias: bool = False
    mlp_bias: bool = False
    tie_word_embeddings: bool = False
    sliding_window: Size | None = None
    layer_types: tuple[str, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        known = {key: value for key, value in raw.items() if value is not None}
        heads, width = known.get("num_attention_heads"), known.get("hidden_size")
        if isinstance(heads, int):
            known.setdefault("num_key_value_heads", heads)
            if isinstance(width, int) and heads > 0:
                known.setdefault("head_dim", width // heads)
        known["rope_parameters"] = _rope(known)
        if known.get("use_sliding_window") is False:
            known.pop("sliding_window", None)
        return known

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads ({self.num_attention_heads}) must be a multiple of "
                f"num_key_value_heads ({self.num_key_value_heads})"
            )
        if self.layer_types is not None and len(self.layer_types) != self.num_hidden_layers:
            raise ValueError(f"layer_types lists {len(self.layer_types)} layers of {self.num_hidden_layers}")
        return self


def _rope(known: dict[str, Any]) -> Any:
    """One table out of ``rope_parameters``, or out of the older ``rope_theta`` with ``rope_scaling``."""
    nested = known.get("rope_parameters", known.get("rope_scaling", {}))
    if not isinstance(nested, dict):
        return nested
    table = {key: value for key, value in nested.items() if value is not None}
    table.setdefault("rope_type", table.get("type", "default"))
    for name in ("rope_theta", "partial_rotary_factor"):
        if name in known:
            table.setdefault(name, known[name])
    if "max_position_embeddings" in known:
        table.setdefault("original_max_position_embeddings", known["max_position_embeddings"])
    return table
