"""The part of config.json that causal language models share, with the names Hugging Face uses.

Checked before torch is imported: sizes are bounded and consistent, so that a hostile file is refused by name and not
by running out of memory.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mistralrs.modelkit.rope_config import Positive, RopeParameters, rope_tables

__all__ = [
    "Activation",
    "CausalConfig",
    "HeadSize",
    "OffsetNormConfig",
    "Positive",
    "RopeParameters",
    "ScaledConfig",
    "Size",
]

Size = Annotated[int, Field(gt=0, le=2**24)]
Count = Annotated[int, Field(gt=0, le=4096)]
HeadSize = Annotated[int, Field(gt=0, le=4096, multiple_of=2)]
Activation = Literal["silu", "gelu", "gelu_pytorch_tanh", "quick_gelu", "relu", "relu2"]

MAX_LAYERS = 4096
SLIDING, FULL = "sliding_attention", "full_attention"

OTHER_NAMES = {
    "activation": "hidden_act",
    "activation_function": "hidden_act",
    "ffn_hidden_size": "intermediate_size",
    "hidden_activation": "hidden_act",
    "layer_norm_eps": "rms_norm_eps",
    "layer_norm_epsilon": "rms_norm_eps",
    "n_embd": "hidden_size",
    "n_head": "num_attention_heads",
    "n_inner": "intermediate_size",
    "n_layer": "num_hidden_layers",
    "n_positions": "max_position_embeddings",
    "norm_eps": "rms_norm_eps",
    "norm_epsilon": "rms_norm_eps",
    "num_kv_heads": "num_key_value_heads",
    "rope_pct": "partial_rotary_factor",
    "rotary_emb_base": "rope_theta",
    "rotary_pct": "partial_rotary_factor",
    "use_qkv_bias": "attention_bias",
}
"""What some families call a field of :class:`CausalConfig`."""

_SAME_ACTIVATION = dict.fromkeys(("gelu_new", "gelu_fast", "gelu_pytorch", "gelu_python_tanh"), "gelu_pytorch_tanh")
_SAME_ACTIVATION |= {"swish": "silu", "gelu_python": "gelu"}


class CausalConfig(BaseModel):
    """A decoder's sizes. Keys that are not read are ignored; null counts as absent where a field needs a value.

    Architectures subclass it to give fields another default.

    ``rope_parameters`` holds for every layer, or for all but the sliding ones when ``sliding_rope_parameters`` is
    given. ``rope_style``, ``norm_offset`` (added to the weights of norms) and ``qkv_by_group`` say how a checkpoint
    stores its values. ``rms_norm_eps`` is that of all norms, whatever their kind. ``query_pre_attn_scalar`` replaces
    the head size in the attention scale, ``attention_multiplier`` the scale itself. Every
    ``sliding_window_pattern``-th layer sees the whole past when ``layer_types`` does not list them.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    vocab_size: Size
    hidden_size: Size
    intermediate_size: Size
    num_hidden_layers: Count
    num_attention_heads: Count
    num_key_value_heads: Count
    head_dim: HeadSize
    max_position_embeddings: Annotated[int, Field(gt=0, le=2**31)] = 4096
    rms_norm_eps: Annotated[float, Field(ge=0, lt=1)] = 1e-6
    norm_offset: Annotated[float, Field(ge=0, le=1)] = 0.0
    rope_parameters: RopeParameters = RopeParameters()
    sliding_rope_parameters: RopeParameters | None = None
    rope_style: Literal["halves", "adjacent"] = "halves"
    qkv_by_group: bool = True
    hidden_act: Activation = "silu"
    attention_bias: bool = False
    mlp_bias: bool = False
    tie_word_embeddings: bool = False
    sliding_window: Size | None = None
    sliding_window_pattern: Size | None = None
    layer_types: tuple[Literal["sliding_attention", "full_attention"], ...] | None = None
    query_pre_attn_scalar: Positive | None = None
    attention_multiplier: Positive | None = None
    attn_logit_softcapping: Positive | None = None
    final_logit_softcapping: Positive | None = None
    use_bidirectional_attention: Literal[False] = False

    def slides(self, layer: int) -> bool:
        """Whether a layer is one of those with a window."""
        return self.layer_types is not None and self.layer_types[layer] == SLIDING

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        nullable = {name for name, field in cls.model_fields.items() if type(None) in get_args(field.annotation)}
        known = {key: value for key, value in raw.items() if value is not None or key in nullable}
        for other, name in OTHER_NAMES.items():
            if other in known:
                known[name] = known[other]
        for flag in ("bias", "use_bias"):
            if flag in known:
                known = {"attention_bias": known[flag], "mlp_bias": known[flag], **known}
        heads, width = known.get("num_attention_heads"), known.get("hidden_size")
        if isinstance(heads, int) and heads > 0:
            known.setdefault("num_key_value_heads", heads)
            if isinstance(width, int) and cls.model_fields["head_dim"].is_required():
                known.setdefault("head_dim", width // heads)
        if isinstance(act := known.get("hidden_act"), str):
            known["hidden_act"] = _SAME_ACTIVATION.get(act, act)
        if known.get("use_sliding_window") is False:
            known["sliding_window"] = None
        if known.get("layer_types") is None:
            known["layer_types"] = _layer_types(known, cls.model_fields["sliding_window_pattern"].default)
        return {**known, **rope_tables(known, cls.model_fields["rope_parameters"].default)}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads ({self.num_attention_heads}) must be a multiple of "
                f"num_key_value_heads ({self.num_key_value_heads})"
            )
        if self.layer_types is not None and len(self.layer_types) != self.num_hidden_layers:
            raise ValueError(f"layer_types lists {len(self.layer_types)} layers of {self.num_hidden_layers}")
        for table in filter(None, (self.rope_parameters, self.sliding_rope_parameters)):
            table.check(self.head_dim)
        return self


class OffsetNormConfig(CausalConfig):
    """Other defaults: those of decoders that store the weights of norms as their distance from one."""

    head_dim: HeadSize = 256
    hidden_act: Activation = "gelu_pytorch_tanh"
    norm_offset: Annotated[float, Field(ge=0, le=1)] = 1.0
    tie_word_embeddings: bool = True
    sliding_window: Size | None = 4096


class ScaledConfig(CausalConfig):
    """With the multipliers of maximal update parametrization (arXiv 2203.03466).

    ``residual_multiplier`` scales what a block adds; most models divide logits by ``logits_scaling``.
    """

    embedding_multiplier: Positive = 1.0
    residual_multiplier: Positive = 1.0
    logits_scaling: Positive = 1.0


def _layer_types(known: dict[str, Any], default_pattern: int | None) -> list[str] | None:
    """The list that older configs imply: by ``sliding_window_pattern``, or from layer ``max_window_layers`` on."""
    count, pattern = known.get("num_hidden_layers"), known.get("sliding_window_pattern", default_pattern)
    first = known.get("max_window_layers")
    if not isinstance(count, int) or not 0 < count <= MAX_LAYERS:
        return None
    if isinstance(pattern, int) and pattern > 0:
        return [SLIDING if (layer + 1) % pattern else FULL for layer in range(count)]
    if known.get("use_sliding_window") is True and isinstance(first, int):
        return [SLIDING if layer >= first else FULL for layer in range(count)]
    return None
