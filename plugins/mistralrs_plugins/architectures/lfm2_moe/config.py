"""What files of LFM2 with experts say."""

from typing import Any, Literal

from pydantic import model_validator

from mistralrs.modelkit.config import RopeParameters
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.state_config import HybridConfig, Width


class Lfm2MoeConfig(HybridConfig, MoeConfig):
    """config.json with the defaults of LFM2 with experts."""

    conv_L_cache: Width = 3
    conv_bias: bool = False
    tie_word_embeddings: bool = True
    rope_parameters: RopeParameters = RopeParameters(rope_theta=1_000_000)
    scoring_func: Literal["softmax", "sigmoid", "sparsemixer"] = "sigmoid"
    norm_topk_prob: bool = True
    use_expert_bias: bool = True

    @model_validator(mode="before")
    @classmethod
    def _other_names(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        names = {"tie_embedding": "tie_word_embeddings", "num_dense_layers": "first_k_dense_replace"}
        return {**raw, **{name: raw[key] for key, name in names.items() if raw.get(key) is not None}}
