"""What config.json of InternLM 3 says."""

from mistralrs.modelkit.config import CausalConfig


class InternLm3Config(CausalConfig):
    """With the switch for biases of queries, keys and values; ``bias`` is that of all other projections."""

    qkv_bias: bool = False
