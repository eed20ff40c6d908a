"""What files of Jais 2 say."""

from mistralrs.modelkit.config import Activation, CausalConfig


class Jais2Config(CausalConfig):
    """config.json with the defaults of Jais 2."""

    hidden_act: Activation = "relu2"
    rms_norm_eps: float = 1e-5
    attention_bias: bool = True
    mlp_bias: bool = True
