"""LFM2 with experts in GGUF."""

from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.state_gguf import CONV_CONFIG, CONV_TENSORS, StateGgufMap

GGUF = StateGgufMap(
    config={**MOE_CONFIG, **CONV_CONFIG},
    tensors={**moe_tensors("feed_forward", ("w1", "w3", "w2"), correction="expert_bias"), **CONV_TENSORS},
    constants={"norm_topk_prob": True},
)
