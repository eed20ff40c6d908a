"""The tensor names of Meta's first code for Llama, which Mistral's own files and those of early ggml kept.

Heads in such files have neighbours that rotate together (``rope_style: adjacent``). Imports no torch.
"""

from __future__ import annotations

import re

MODULES = {
    "tok_embeddings": "model.embed_tokens",
    "norm": "model.norm",
    "output": "lm_head",
    "attention.wq": "self_attn.q_proj",
    "attention.wk": "self_attn.k_proj",
    "attention.wv": "self_attn.v_proj",
    "attention.wo": "self_attn.o_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w2": "mlp.down_proj",
    "feed_forward.w3": "mlp.up_proj",
}
"""Module of a file to module of a model; those of a layer without their ``layers.N.``."""

LAYER = re.compile(r"layers\.(\d+)\.(.+)")
EXPERTS = re.compile(r"(?:feed_forward|block_sparse_moe)\.(gate|experts\.\d+\.w[123])")


def from_meta(name: str) -> str:
    """The model's name for a tensor; one that is no part of the decoder keeps its own."""
    layer = LAYER.fullmatch(name)
    module, _, leaf = (layer[2] if layer else name).rpartition(".")
    if layer and (expert := EXPERTS.fullmatch(module)):
        return f"model.layers.{layer[1]}.block_sparse_moe.{expert[1]}.{leaf}"
    if module not in MODULES:
        return name
    return f"model.layers.{layer[1]}.{MODULES[module]}.{leaf}" if layer else f"{MODULES[module]}.{leaf}"
