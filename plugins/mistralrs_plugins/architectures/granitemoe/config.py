"""What files of Granite with experts say."""

from mistralrs.modelkit.config import Positive, ScaledConfig
from mistralrs.modelkit.experts_config import MoeConfig
from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import GgufMap


class GraniteMoeConfig(MoeConfig, ScaledConfig):
    """config.json with the defaults of Granite."""

    norm_topk_prob: bool = True
    attention_multiplier: Positive | None = 1.0


GGUF = GgufMap(
    config={
        **MOE_CONFIG,
        "attention_multiplier": "{arch}.attention.scale",
        "embedding_multiplier": "{arch}.embedding_scale",
        "residual_multiplier": "{arch}.residual_scale",
        "logits_scaling": "{arch}.logit_scale",
    },
    tensors={
        **moe_tensors("block_sparse_moe", gate="router.layer"),
        "shared_mlp.gate_proj": "ffn_gate_shexp",
        "shared_mlp.up_proj": "ffn_up_shexp",
        "shared_mlp.output_linear": "ffn_down_shexp",
    },
    constants={"rope_style": "adjacent", "norm_topk_prob": True},
)
