"""LFM2 with experts in GGUF."""

from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.state_gguf import StateGgufMap

GGUF = StateGgufMap(
    config={**MOE_CONFIG, "conv_L_cache": "{arch}.shortconv.l_cache"},
    tensors={
        **moe_tensors("feed_forward", ("w1", "w3", "w2"), correction="expert_bias"),
        "model.embedding_norm": "token_embd_norm",
        "operator_norm": "attn_norm",
        "conv.conv": "shortconv.conv",
        "conv.in_proj": "shortconv.in_proj",
        "conv.out_proj": "shortconv.out_proj",
        "self_attn.out_proj": "attn_output",
        "self_attn.q_layernorm": "attn_q_norm",
        "self_attn.k_layernorm": "attn_k_norm",
        "feed_forward.w1": "ffn_gate",
        "feed_forward.w3": "ffn_up",
        "feed_forward.w2": "ffn_down",
    },
    constants={"norm_topk_prob": True},
)
