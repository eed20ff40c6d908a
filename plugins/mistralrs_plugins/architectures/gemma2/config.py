"""What files of Gemma 2 say. GGUF converters add one to the weights of norms, and leave out the attention scale."""

from functools import partial

from mistralrs.modelkit.config import Activation, CausalConfig, HeadSize, Positive, Size
from mistralrs.modelkit.gguf import SANDWICH_NORMS, GgufMap, scale_by_head


class Gemma2Config(CausalConfig):
    """config.json with the defaults of Gemma 2."""

    head_dim: HeadSize = 256
    hidden_act: Activation = "gelu_pytorch_tanh"
    norm_offset: float = 1.0
    tie_word_embeddings: bool = True
    sliding_window: Size | None = 4096
    sliding_window_pattern: Size | None = 2
    query_pre_attn_scalar: Positive | None = 256
    attn_logit_softcapping: Positive | None = 50
    final_logit_softcapping: Positive | None = 30


# Only the 27B model, with 46 layers, scales by something else than the head size.
derive = partial(scale_by_head, by_width_at=46)
GGUF = GgufMap(tensors=SANDWICH_NORMS, constants={"norm_offset": 0.0}, derive=derive)
