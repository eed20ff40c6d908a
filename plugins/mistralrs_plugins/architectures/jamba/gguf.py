"""Jamba in GGUF."""

from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.state_gguf import StateGgufMap, ssm_tensors

GGUF = StateGgufMap(
    config={
        **MOE_CONFIG,
        "mamba_d_conv": "{arch}.ssm.conv_kernel",
        "mamba_d_ssm": "{arch}.ssm.inner_size",
        "mamba_d_state": "{arch}.ssm.state_size",
        "mamba_dt_rank": "{arch}.ssm.time_step_rank",
    },
    tensors={
        **ssm_tensors("mamba"),
        **moe_tensors("feed_forward", gate="router"),
        "model.final_layernorm": "output_norm",
        "mamba.x_proj": "ssm_x",
        "mamba.dt_proj": "ssm_dt",
        "mamba.dt_layernorm": "ssm_dt_norm",
        "mamba.b_layernorm": "ssm_b_norm",
        "mamba.c_layernorm": "ssm_c_norm",
        "pre_ff_layernorm": "ffn_norm",
        "feed_forward.gate_proj": "ffn_gate",
        "feed_forward.up_proj": "ffn_up",
        "feed_forward.down_proj": "ffn_down",
    },
)
