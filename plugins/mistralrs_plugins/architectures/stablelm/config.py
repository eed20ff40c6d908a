"""What files of StableLM say."""

from mistralrs.modelkit.config import CausalConfig, RopeParameters
from mistralrs.modelkit.gguf import GgufMap


class StableLmConfig(CausalConfig):
    """config.json with the defaults of StableLM."""

    rms_norm_eps: float = 1e-5
    rope_parameters: RopeParameters = RopeParameters(partial_rotary_factor=0.25)
    qk_layernorm: bool = False
    use_parallel_residual: bool = False


GGUF = GgufMap(
    config={"use_parallel_residual": "{arch}.use_parallel_residual"},
    tensors={"self_attn.q_layernorm": "attn_q_norm", "self_attn.k_layernorm": "attn_k_norm"},
    flags={"qk_layernorm": "blk.0.attn_q_norm.weight"},
)
