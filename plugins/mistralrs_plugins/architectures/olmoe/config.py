"""What files of OLMoE say."""

from mistralrs.modelkit.experts_config import MoeConfig


class OlmoeConfig(MoeConfig):
    """config.json; queries, keys and values that are clipped are refused, as no published model has them."""

    clip_qkv: None = None
    rms_norm_eps: float = 1e-5
