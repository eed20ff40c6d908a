"""What files of Granite say; in GGUF neighbours rotate together."""

from mistralrs.modelkit.config import Positive, ScaledConfig
from mistralrs.modelkit.gguf import SCALES, GgufMap


class GraniteConfig(ScaledConfig):
    """config.json with the defaults of Granite."""

    attention_multiplier: Positive | None = 1.0


GGUF = GgufMap(config=SCALES, constants={"rope_style": "adjacent"})
