"""What files of GPT-NeoX say; in GGUF queries, keys and values are stacked."""

from mistralrs.modelkit.config import Activation, CausalConfig, RopeParameters
from mistralrs.modelkit.gguf import GgufMap


class GptNeoxConfig(CausalConfig):
    """config.json with the defaults of GPT-NeoX."""

    hidden_act: Activation = "gelu"
    rms_norm_eps: float = 1e-5
    attention_bias: bool = True
    rope_parameters: RopeParameters = RopeParameters(partial_rotary_factor=0.25)
    use_parallel_residual: bool = True


GGUF = GgufMap(
    layers="gpt_neox.layers",
    config={"use_parallel_residual": "{arch}.use_parallel_residual"},
    constants={"qkv_by_group": False},
    tensors={
        "embed_out": "output",
        "gpt_neox.embed_in": "token_embd",
        "gpt_neox.final_layer_norm": "output_norm",
        "attention.query_key_value": "attn_qkv",
        "attention.dense": "attn_output",
        "mlp.dense_h_to_4h": "ffn_up",
        "mlp.dense_4h_to_h": "ffn_down",
    },
)
