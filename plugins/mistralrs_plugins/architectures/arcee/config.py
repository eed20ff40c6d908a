"""What files of Arcee say; in GGUF neighbours rotate together."""

from mistralrs.modelkit.config import Activation, CausalConfig
from mistralrs.modelkit.gguf import GgufMap


class ArceeConfig(CausalConfig):
    """config.json with the defaults of Arcee."""

    hidden_act: Activation = "relu2"
    rms_norm_eps: float = 1e-5


GGUF = GgufMap(constants={"rope_style": "adjacent"})
