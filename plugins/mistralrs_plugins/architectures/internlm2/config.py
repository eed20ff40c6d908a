"""What files of InternLM 2 say; in GGUF queries, keys and values are apart, and neighbours rotate together."""

from mistralrs.modelkit.config import CausalConfig
from mistralrs.modelkit.gguf import GgufMap


class InternLm2Config(CausalConfig):
    """config.json with the defaults of InternLM 2."""

    rms_norm_eps: float = 1e-5


GGUF = GgufMap(
    constants={"rope_style": "adjacent"},
    tensors={
        "model.tok_embeddings": "token_embd",
        "output": "output",
        "attention_norm": "attn_norm",
        "attention.q_proj": "attn_q",
        "attention.k_proj": "attn_k",
        "attention.v_proj": "attn_v",
        "attention.wo": "attn_output",
        "feed_forward.w1": "ffn_gate",
        "feed_forward.w3": "ffn_up",
        "feed_forward.w2": "ffn_down",
    },
)
