"""What config.json of Gemma 4 says about its text side."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from mistralrs.modelkit.config import HeadSize, RopeParameters, Size
from mistralrs.modelkit.shared_config import SharedKeysConfig

Count = Annotated[int, Field(gt=0, le=4096)]


class Gemma4Config(SharedKeysConfig):
    """The defaults of Gemma 4. Layers that see the whole past have heads of their own size and number.

    ``attention_k_eq_v``: those layers use keys, before their norm, as values. ``use_double_wide_mlp``: layers that
    read another layer's keys are twice as wide. ``enable_moe_block``: every layer has experts beside its dense block.
    """

    sliding_window_pattern: Size | None = 6
    rope_parameters: RopeParameters = RopeParameters(
        rope_type="proportional", partial_rotary_factor=0.25, rope_theta=1_000_000
    )
    global_head_dim: HeadSize = 512
    num_global_key_value_heads: Count | None = None
    attention_k_eq_v: bool = False
    use_double_wide_mlp: bool = False
    enable_moe_block: bool = False
    num_experts: Count = 1
    top_k_experts: Count = 1
    moe_intermediate_size: Size = 1
    use_bidirectional_attention: Literal[False, "vision"] = False  # type: ignore[assignment]

    def slides(self, layer: int) -> bool:
        """Whether a layer has a window; the last one never has."""
        return layer < self.num_hidden_layers - 1 and super().slides(layer)

    @property
    def global_key_value_heads(self) -> int:
        """Key heads of layers that see the whole past."""
        own = self.num_global_key_value_heads if self.attention_k_eq_v else None
        return own or self.num_key_value_heads

    def width_of(self, layer: int) -> int:
        """Inner width of a layer's dense block."""
        wide = self.use_double_wide_mlp and self.keys_from(layer) is not None
        return self.intermediate_size * (2 if wide else 1)

    @model_validator(mode="before")
    @classmethod
    def _overrides(cls, raw: Any) -> Any:
        """``per_layer_config``, as later releases store what differs in layers that see the whole past."""
        listed = raw.get("per_layer_config") if isinstance(raw, dict) else None
        if not isinstance(listed, dict) or not listed:
            return raw
        first, *others = listed.values()
        if not isinstance(first, dict) or any(other != first for other in others):
            raise ValueError("per_layer_config must say the same of all layers that it lists")
        names = {"head_dim": "global_head_dim", "num_key_value_heads": "num_global_key_value_heads"}
        return {**{names[key]: value for key, value in first.items() if key in names}, **raw}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self.rope_parameters.check(self.global_head_dim)
        if self.num_attention_heads % self.global_key_value_heads:
            raise ValueError(
                f"num_attention_heads ({self.num_attention_heads}) must be a multiple of "
                f"num_global_key_value_heads ({self.global_key_value_heads})"
            )
        if self.top_k_experts > self.num_experts:
            raise ValueError(f"top_k_experts ({self.top_k_experts}) is more than num_experts ({self.num_experts})")
        if self.enable_moe_block and not {"num_experts", "top_k_experts", "moe_intermediate_size"} <= (
            self.model_fields_set
        ):
            raise ValueError("enable_moe_block needs num_experts, top_k_experts and moe_intermediate_size")
        return self
