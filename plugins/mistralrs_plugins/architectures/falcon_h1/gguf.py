"""Falcon H1 in GGUF: the multipliers are in the weights already, and one name lacks its ending."""

from mistralrs.modelkit.state_gguf import SSM_CONFIG, StateGgufMap, ssm_tensors

GGUF = StateGgufMap(
    config=SSM_CONFIG,
    tensors={
        **ssm_tensors("mamba"),
        "model.final_layernorm": "output_norm",
        "pre_ff_layernorm.weight": "ffn_norm",
        "feed_forward.gate_proj": "ffn_gate",
        "feed_forward.up_proj": "ffn_up",
        "feed_forward.down_proj": "ffn_down",
    },
    flags={"mamba_rms_norm": "blk.0.ssm_norm.weight"},
    constants={"mamba_norm_before_gate": False},
)
