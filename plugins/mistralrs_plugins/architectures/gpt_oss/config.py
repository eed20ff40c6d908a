"""What files of GPT-OSS say."""

from typing import Annotated, Any

from pydantic import Field, model_validator

from mistralrs.modelkit.config import HeadSize, RopeParameters, Size
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import GgufMap

YARN = {
    "rope_type": "yarn",
    "factor": 32.0,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "truncate": False,
    "original_max_position_embeddings": 4096,
}


class GptOssConfig(MoeConfig):
    """config.json with the defaults of GPT-OSS."""

    head_dim: HeadSize = 64
    max_position_embeddings: int = 131072
    rms_norm_eps: float = 1e-5
    norm_topk_prob: bool = True
    attention_bias: bool = True
    sliding_window: Size | None = 128
    sliding_window_pattern: Size | None = 2
    rope_parameters: RopeParameters = RopeParameters(rope_theta=150_000.0)
    swiglu_limit: Annotated[float, Field(ge=7, le=7)] = 7.0

    @model_validator(mode="before")
    @classmethod
    def _stretched(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or raw.get("rope_parameters") or raw.get("rope_scaling"):
            return raw
        return {**raw, "rope_parameters": YARN}


GGUF = GgufMap(
    config=MOE_CONFIG,
    tensors={
        **moe_tensors(gate="router"),
        "self_attn.sinks": "attn_sinks.weight",
        "post_attention_layernorm": "post_attention_norm",
    },
    rope={"truncate": False},
)
