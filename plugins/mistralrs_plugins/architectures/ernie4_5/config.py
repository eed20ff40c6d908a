"""What files of ERNIE 4.5 say."""

from typing import Literal

from mistralrs.modelkit.config import CausalConfig, RopeParameters


class Ernie45Config(CausalConfig):
    """config.json with the defaults of ERNIE 4.5."""

    rope_style: Literal["halves", "adjacent"] = "adjacent"
    rms_norm_eps: float = 1e-5
    rope_parameters: RopeParameters = RopeParameters(rope_theta=500_000)
    tie_word_embeddings: bool = True
