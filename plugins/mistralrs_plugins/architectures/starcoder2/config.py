"""What files of StarCoder 2 say."""

from mistralrs.modelkit.config import Activation, CausalConfig
from mistralrs.modelkit.gguf import GgufMap


class Starcoder2Config(CausalConfig):
    """config.json with the defaults of StarCoder 2."""

    hidden_act: Activation = "gelu_pytorch_tanh"
    rms_norm_eps: float = 1e-5
    attention_bias: bool = True
    mlp_bias: bool = True
    tie_word_embeddings: bool = True


GGUF = GgufMap(tensors={"mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"})
