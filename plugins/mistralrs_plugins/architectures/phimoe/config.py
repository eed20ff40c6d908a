"""What files of Phi 3.5 MoE say."""

from typing import Any, Literal

from pydantic import model_validator

from mistralrs.modelkit.config import RopeParameters
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import GgufMap


class PhimoeConfig(MoeConfig):
    """config.json with the defaults of Phi 3.5 MoE."""

    scoring_func: Literal["softmax", "sigmoid", "sparsemixer"] = "sparsemixer"
    rms_norm_eps: float = 1e-5
    rope_parameters: RopeParameters = RopeParameters(rope_theta=1_000_000)
    lm_head_bias: bool = False

    @model_validator(mode="before")
    @classmethod
    def _sharpening(cls, raw: Any) -> Any:
        """The sharpening of LongRoPE is stated for short and for long texts, and is the same for both."""
        table = raw.get("rope_scaling") or raw.get("rope_parameters") if isinstance(raw, dict) else None
        if not isinstance(table, dict) or "short_mscale" not in table:
            return raw
        if table["short_mscale"] != table.get("long_mscale"):
            raise ValueError("short_mscale and long_mscale differ, which is not supported")
        return {**raw, "rope_scaling": None, "rope_parameters": {**table, "attention_factor": table["short_mscale"]}}


GGUF = GgufMap(
    config={**MOE_CONFIG, "rms_norm_eps": "{arch}.attention.layer_norm_epsilon"},
    tensors=moe_tensors("block_sparse_moe", ("w1", "w3", "w2")),
    constants={"attention_bias": True, "lm_head_bias": True, "scoring_func": "sparsemixer"},
)
