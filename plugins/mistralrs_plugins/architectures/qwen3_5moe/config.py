"""What files of Qwen 3.5 with experts say, the text model's part of them."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from mistralrs.modelkit.config import HeadSize
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.state_config import DeltaConfig


class Qwen35MoeConfig(DeltaConfig, MoeConfig):
    """config.json with the defaults of Qwen 3.5."""

    head_dim: HeadSize = 256
    norm_offset: Annotated[float, Field(ge=0, le=1)] = 1.0
    norm_topk_prob: bool = True

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, raw: Any) -> Any:
        return {"partial_rotary_factor": 0.25, "full_attention_interval": 4, **raw} if isinstance(raw, dict) else raw
