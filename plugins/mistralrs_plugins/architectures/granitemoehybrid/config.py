"""What files of Granite 4 say."""

from typing import Any

from pydantic import model_validator

from mistralrs.modelkit.config import Positive, ScaledConfig
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.state_config import HybridConfig, SsmConfig


class GraniteHybridConfig(HybridConfig, SsmConfig, MoeConfig, ScaledConfig):
    """config.json with the defaults of Granite 4. Models without experts have the shared block alone."""

    norm_topk_prob: bool = True
    attention_multiplier: Positive | None = 1.0
    position_embedding_type: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _without_experts(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or raw.get("num_local_experts", raw.get("num_experts", 8)) != 0:
            return raw
        raw = {"shared_intermediate_size": raw.get("intermediate_size"), **raw}
        count = raw.get("num_hidden_layers")
        types = ["dense"] * count if isinstance(count, int) and 0 < count <= 4096 else None
        return {**raw, "num_local_experts": 1, "num_experts_per_tok": 1, "mlp_layer_types": types}
