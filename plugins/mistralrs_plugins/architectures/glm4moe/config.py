"""What files of GLM-4 MoE say."""

from typing import Literal

from mistralrs.modelkit.config import Count, RopeParameters
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import GgufMap


class Glm4MoeConfig(MoeConfig):
    """config.json with the defaults of GLM-4 MoE."""

    rope_parameters: RopeParameters = RopeParameters(partial_rotary_factor=0.5)
    scoring_func: Literal["softmax", "sigmoid", "sparsemixer"] = "sigmoid"
    norm_topk_prob: bool = True
    group_best: Count = 2
    use_qk_norm: bool = False


GGUF = GgufMap(
    config=MOE_CONFIG,
    tensors={**moe_tensors(), "post_attention_layernorm": "post_attention_norm"},
    constants={"attention_bias": True},
)
