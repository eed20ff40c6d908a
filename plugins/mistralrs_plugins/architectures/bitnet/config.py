"""What config.json of BitNet says."""

from mistralrs.modelkit.config import Activation, CausalConfig, RopeParameters


class BitNetConfig(CausalConfig):
    """config.json with the defaults of BitNet."""

    hidden_act: Activation = "relu2"
    rms_norm_eps: float = 1e-5
    rope_parameters: RopeParameters = RopeParameters(rope_theta=500_000)
