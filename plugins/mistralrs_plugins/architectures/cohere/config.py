"""What files of Command R say."""

from typing import Literal

from mistralrs.modelkit.config import CausalConfig, Positive
from mistralrs.modelkit.gguf import GgufMap


class CohereConfig(CausalConfig):
    """config.json with the defaults of Command R."""

    rms_norm_eps: float = 1e-5
    logit_scale: Positive = 0.0625
    rope_style: Literal["halves", "adjacent"] = "adjacent"
    tie_word_embeddings: bool = True
    use_qk_norm: bool = False


GGUF = GgufMap(config={"logit_scale": "{arch}.logit_scale"}, flags={"use_qk_norm": "blk.0.attn_q_norm.weight"})
