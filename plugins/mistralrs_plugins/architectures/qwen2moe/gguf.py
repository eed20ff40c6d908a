"""Qwen2 MoE in GGUF."""

from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.gguf import GgufMap

GGUF = GgufMap(
    config=MOE_CONFIG,
    tensors={**moe_tensors(shared="shared_expert"), "mlp.shared_expert_gate": "ffn_gate_inp_shexp"},
)
