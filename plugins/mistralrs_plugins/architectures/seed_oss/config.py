"""What files of Seed-OSS say."""

from mistralrs.modelkit.config import CausalConfig
from mistralrs.modelkit.gguf import GgufMap


class SeedOssConfig(CausalConfig):
    """config.json with the defaults of Seed-OSS."""

    attention_bias: bool = True
    attention_out_bias: bool = False


GGUF = GgufMap(
    tensors={"post_attention_layernorm": "post_attention_norm"},
    flags={"attention_out_bias": "blk.0.attn_output.bias"},
)
