"""What files of the first Gemma say. GGUF converters add one to the weights of norms."""

from mistralrs.modelkit.config import CausalConfig, HeadSize
from mistralrs.modelkit.gguf import GgufMap


class GemmaConfig(CausalConfig):
    """config.json with the defaults of Gemma."""

    head_dim: HeadSize = 256
    norm_offset: float = 1.0
    tie_word_embeddings: bool = True


GGUF = GgufMap(constants={"norm_offset": 0.0})
