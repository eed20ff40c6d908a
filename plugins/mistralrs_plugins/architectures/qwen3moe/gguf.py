"""Qwen3 MoE in GGUF: files leave out that the weights of a token's experts add up to one."""

from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import GgufMap

GGUF = GgufMap(config=MOE_CONFIG, tensors=moe_tensors(), constants={"norm_topk_prob": True})
