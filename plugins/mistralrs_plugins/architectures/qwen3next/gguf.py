"""Qwen 3 Next in GGUF: one is added to the weights of norms, and queries, keys and values are apart from the gate."""

from mistralrs.modelkit.experts_gguf import MOE_CONFIG, moe_tensors
from mistralrs.modelkit.state_gguf import DELTA_CONFIG, DELTA_TENSORS, StateGgufMap

GGUF = StateGgufMap(
    config={**MOE_CONFIG, **DELTA_CONFIG},
    tensors={**DELTA_TENSORS, **moe_tensors(shared="shared_expert"), "mlp.shared_expert_gate": "ffn_gate_inp_shexp"},
    constants={"norm_offset": 0.0, "norm_topk_prob": True},
)
