"""What files of Bamba say."""

from typing import Any

from pydantic import model_validator

from mistralrs.modelkit.state_config import HybridConfig, SsmConfig


class BambaConfig(HybridConfig, SsmConfig):
    """config.json with the defaults of Bamba, which rotates half of each head."""

    @model_validator(mode="before")
    @classmethod
    def _half(cls, raw: Any) -> Any:
        return {"partial_rotary_factor": 0.5, "attn_layer_indices": [], **raw} if isinstance(raw, dict) else raw
