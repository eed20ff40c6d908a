"""What files of Nemotron say; in GGUF the weights of norms are stored as usual."""

from mistralrs.modelkit.config import Activation, CausalConfig, RopeParameters
from mistralrs.modelkit.gguf import GgufMap


class NemotronConfig(CausalConfig):
    """config.json with the defaults of Nemotron."""

    hidden_act: Activation = "relu2"
    rms_norm_eps: float = 1e-5
    norm_offset: float = 1.0
    rope_parameters: RopeParameters = RopeParameters(partial_rotary_factor=0.5)


GGUF = GgufMap(constants={"norm_offset": 0.0})
