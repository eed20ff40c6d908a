"""What files of GLM say."""

from typing import Literal

from mistralrs.modelkit.config import CausalConfig, RopeParameters
from mistralrs.modelkit.gguf import GgufMap


class GlmConfig(CausalConfig):
    """config.json with the defaults of GLM."""

    attention_bias: bool = True
    rope_style: Literal["halves", "adjacent"] = "adjacent"
    rope_parameters: RopeParameters = RopeParameters(partial_rotary_factor=0.5)


GGUF = GgufMap()
