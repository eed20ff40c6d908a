"""What files of Gemma 2 say. GGUF converters add one to the weights of norms, and leave out the attention scale."""

from mistralrs.modelkit.config import OffsetNormConfig, Positive, Size
from mistralrs.modelkit.gguf import SANDWICH_NORMS, GgufMap


class Gemma2Config(OffsetNormConfig):
    """config.json with the defaults of Gemma 2."""

    sliding_window_pattern: Size | None = 2
    attn_logit_softcapping: Positive | None = 50
    final_logit_softcapping: Positive | None = 30


GGUF = GgufMap(tensors=SANDWICH_NORMS, constants={"norm_offset": 0.0}, scale_by_width_at=46)
