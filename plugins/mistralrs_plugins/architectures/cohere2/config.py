"""What files of Cohere 2 say."""

from typing import Literal

from mistralrs.modelkit.config import CausalConfig, Positive, Size
from mistralrs.modelkit.gguf import GgufMap


class Cohere2Config(CausalConfig):
    """config.json with the defaults of Cohere 2."""

    rms_norm_eps: float = 1e-5
    logit_scale: Positive = 0.0625
    rope_style: Literal["halves", "adjacent"] = "adjacent"
    tie_word_embeddings: bool = True
    sliding_window: Size | None = 4096
    sliding_window_pattern: Size | None = 4


GGUF = GgufMap(config={"logit_scale": "{arch}.logit_scale"})
