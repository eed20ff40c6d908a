"""What files of Phi 2 say."""

from mistralrs.modelkit.config import Activation, CausalConfig, RopeParameters
from mistralrs.modelkit.gguf import GgufMap


class PhiConfig(CausalConfig):
    """config.json with the defaults of Phi 2."""

    hidden_act: Activation = "gelu_pytorch_tanh"
    rms_norm_eps: float = 1e-5
    rope_parameters: RopeParameters = RopeParameters(partial_rotary_factor=0.5)
    qk_layernorm: bool = False


NAMES = {"model.final_layernorm": "output_norm", "self_attn.dense": "attn_output"}
GGUF = GgufMap(tensors={**NAMES, "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down"})
