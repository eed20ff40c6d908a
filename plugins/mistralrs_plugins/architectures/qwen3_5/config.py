"""What files of Qwen 3.5 say, the text model's part of them."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from mistralrs.modelkit.config import HeadSize
from mistralrs.modelkit.state_config import DeltaConfig


class Qwen35Config(DeltaConfig):
    """config.json with the defaults of Qwen 3.5."""

    head_dim: HeadSize = 256
    norm_offset: Annotated[float, Field(ge=0, le=1)] = 1.0

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, raw: Any) -> Any:
        return {"partial_rotary_factor": 0.25, "full_attention_interval": 4, **raw} if isinstance(raw, dict) else raw
