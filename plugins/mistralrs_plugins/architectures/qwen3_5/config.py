"""What files of Qwen 3.5 say, the text model's part of them."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from mistralrs.modelkit.config import HeadSize, Size
from mistralrs.modelkit.state_config import HybridConfig, Width


class Qwen35Config(HybridConfig):
    """config.json with the defaults of Qwen 3.5."""

    head_dim: HeadSize = 256
    norm_offset: Annotated[float, Field(ge=0, le=1)] = 1.0
    linear_conv_kernel_dim: Width = 4
    linear_key_head_dim: Size = 128
    linear_value_head_dim: Size = 128
    linear_num_key_heads: Size = 16
    linear_num_value_heads: Size = 32

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        text = {**raw, **raw["text_config"]} if isinstance(raw.get("text_config"), dict) else raw
        return {"partial_rotary_factor": 0.25, "full_attention_interval": 4, **text}
