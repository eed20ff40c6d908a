"""What files of MiniMax M2 say."""

from typing import Any, Literal

from pydantic import model_validator

from mistralrs.modelkit.config import RopeParameters
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import GgufMap


class MiniMaxM2Config(MoeConfig):
    """config.json with the defaults of MiniMax M2, which states how much of a head is rotated in numbers."""

    scoring_func: Literal["softmax", "sigmoid", "sparsemixer"] = "sigmoid"
    norm_topk_prob: bool = True
    rope_parameters: RopeParameters = RopeParameters(rope_theta=5_000_000)

    @model_validator(mode="before")
    @classmethod
    def _rotated(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        rotary, head = raw.get("rotary_dim"), raw.get("head_dim")
        if isinstance(rotary, int) and isinstance(head, int) and 0 < rotary <= head:
            return {"partial_rotary_factor": rotary / head, **raw}
        return raw


GGUF = GgufMap(
    config=MOE_CONFIG,
    tensors=moe_tensors("block_sparse_moe", ("w1", "w3", "w2"), correction="e_score_correction_bias"),
)
