"""What files of MiniMax Text-01 say."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from mistralrs.modelkit.config import RopeParameters
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.state_config import FULL, LINEAR, HybridConfig

Factor = Annotated[float, Field(gt=0, lt=1e4)]


class MiniMaxConfig(HybridConfig, MoeConfig):
    """config.json with its defaults: every second layer attends. Factors weigh what a block gets and what it gives."""

    rms_norm_eps: float = 1e-5
    norm_topk_prob: bool = True
    router_jitter_noise: Annotated[float, Field(ge=0, le=0)] = 0.0
    rope_parameters: RopeParameters = RopeParameters(rope_theta=1_000_000)
    full_attn_alpha_factor: Factor = 1.0
    full_attn_beta_factor: Factor = 1.0
    linear_attn_alpha_factor: Factor = 1.0
    linear_attn_beta_factor: Factor = 1.0
    mlp_alpha_factor: Factor = 1.0
    mlp_beta_factor: Factor = 1.0

    @model_validator(mode="before")
    @classmethod
    def _every_second(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or raw.get("layer_types"):
            return raw
        count = raw.get("num_hidden_layers")
        if not isinstance(count, int) or not 0 < count <= 4096:
            return raw
        return {**raw, "layer_types": [LINEAR if layer % 2 else FULL for layer in range(count)]}
