"""What files of ERNIE 4.5 with experts say."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mistralrs.modelkit.config import RopeParameters
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import GgufMap

CORRECTION = "moe_statics.e_score_correction_bias"


class ErnieMoeConfig(MoeConfig):
    """config.json with the defaults of ERNIE 4.5."""

    norm_topk_prob: bool = True
    num_shared_experts: Annotated[int, Field(ge=0, le=4096)] = 2
    first_k_dense_replace: Annotated[int, Field(ge=0, le=4096)] = 1
    moe_layer_end_index: Annotated[int, Field(ge=-1, le=4096)] = -1
    rms_norm_eps: float = 1e-5
    tie_word_embeddings: bool = True
    rope_style: Literal["halves", "adjacent"] = "adjacent"
    rope_parameters: RopeParameters = RopeParameters(rope_theta=500_000)

    def is_sparse(self, layer: int) -> bool:
        """Whether a layer has experts; the last ones may have none."""
        return super().is_sparse(layer) and (self.moe_layer_end_index == -1 or layer <= self.moe_layer_end_index)

    @model_validator(mode="before")
    @classmethod
    def _names(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        same = {"moe_layer_start_index": "first_k_dense_replace", "use_bias": "attention_bias"}
        known = {same.get(key, key): value for key, value in raw.items()}
        return {"mlp_bias": raw.get("use_bias"), **known}


GGUF = GgufMap(
    config={**MOE_CONFIG, "decoder_sparse_step": "{arch}.interleave_moe_layer_step"},
    tensors=moe_tensors(correction=CORRECTION),
    constants={"rope_style": "adjacent", "norm_topk_prob": True},
)
