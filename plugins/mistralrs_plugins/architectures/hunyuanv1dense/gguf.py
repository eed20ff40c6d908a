"""Hunyuan, dense, in GGUF."""

from mistralrs.modelkit.gguf import GgufMap

GGUF = GgufMap(tensors={"self_attn.query_layernorm": "attn_q_norm", "self_attn.key_layernorm": "attn_k_norm"})
