"""What files of OLMo say; in GGUF neighbours rotate together."""

from mistralrs.modelkit.config import CausalConfig, Positive
from mistralrs.modelkit.gguf import GgufMap


class OlmoConfig(CausalConfig):
    """config.json with the defaults of OLMo."""

    rms_norm_eps: float = 1e-5
    clip_qkv: Positive | None = None


GGUF = GgufMap(config={"clip_qkv": "{arch}.attention.clamp_kqv"}, constants={"rope_style": "adjacent"})
