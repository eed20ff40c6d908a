"""What config.json of NanoChat says."""

from mistralrs.modelkit.config import Activation, CausalConfig, Positive


class NanoChatConfig(CausalConfig):
    """config.json with the defaults of NanoChat."""

    hidden_act: Activation = "relu2"
    final_logit_softcapping: Positive | None = 15.0
