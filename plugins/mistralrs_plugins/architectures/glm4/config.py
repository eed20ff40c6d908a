"""What files of GLM-4 say."""

from typing import Literal

from mistralrs.modelkit.config import CausalConfig, RopeParameters
from mistralrs.modelkit.gguf import GgufMap


class Glm4Config(CausalConfig):
    """config.json with the defaults of GLM-4."""

    attention_bias: bool = True
    rope_style: Literal["halves", "adjacent"] = "adjacent"
    rope_parameters: RopeParameters = RopeParameters(partial_rotary_factor=0.5)


GGUF = GgufMap(tensors={"post_self_attn_layernorm": "post_attention_norm", "post_mlp_layernorm": "post_ffw_norm"})
