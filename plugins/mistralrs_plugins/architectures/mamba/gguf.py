"""Mamba in GGUF."""

from mistralrs.modelkit.state_gguf import StateGgufMap, ssm_tensors

GGUF = StateGgufMap(
    config={
        "mamba_d_conv": "{arch}.ssm.conv_kernel",
        "mamba_d_ssm": "{arch}.ssm.inner_size",
        "mamba_d_state": "{arch}.ssm.state_size",
        "mamba_dt_rank": "{arch}.ssm.time_step_rank",
        "mixer_norms": "{arch}.ssm.dt_b_c_rms",
    },
    tensors={
        **ssm_tensors("mixer"),
        "backbone.embeddings": "token_embd",
        "backbone.norm_f": "output_norm",
        "norm": "attn_norm",
        "mixer.x_proj": "ssm_x",
        "mixer.dt_proj": "ssm_dt",
    },
    layers="backbone.layers",
)
