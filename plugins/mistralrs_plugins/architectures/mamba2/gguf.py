"""Mamba-2 in GGUF."""

from mistralrs.modelkit.state_gguf import SSM_CONFIG, StateGgufMap, ssm_tensors

GGUF = StateGgufMap(
    config=SSM_CONFIG,
    tensors={
        **ssm_tensors("mixer"),
        "backbone.embeddings": "token_embd",
        "backbone.norm_f": "output_norm",
        "norm": "attn_norm",
    },
    layers="backbone.layers",
)
