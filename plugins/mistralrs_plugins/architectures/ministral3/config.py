"""What files of Ministral 3 say; in GGUF neighbours rotate together."""

from mistralrs.modelkit.config import CausalConfig
from mistralrs.modelkit.gguf import GgufMap
from mistralrs.modelkit.rope_config import RopeParameters


class Ministral3Config(CausalConfig):
    """config.json with the defaults of Ministral 3."""

    rms_norm_eps: float = 1e-5
    rope_parameters: RopeParameters = RopeParameters(rope_theta=1_000_000)


GGUF = GgufMap(constants={"rope_style": "adjacent"})
