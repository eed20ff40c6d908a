"""Names of experts in GGUF files, as llama.cpp's converters write them. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from mistralrs.modelkit.gguf import GgufMap

MOE_CONFIG = {
    "num_experts": "{arch}.expert_count",
    "num_experts_per_tok": "{arch}.expert_used_count",
    "moe_intermediate_size": "{arch}.expert_feed_forward_length",
    "num_shared_experts": "{arch}.expert_shared_count",
    "shared_expert_intermediate_size": "{arch}.expert_shared_feed_forward_length",
    "scoring_func": "{arch}.expert_gating_func",
    "norm_topk_prob": "{arch}.expert_weights_norm",
    "routed_scaling_factor": "{arch}.expert_weights_scale",
    "n_group": "{arch}.expert_group_count",
    "topk_group": "{arch}.expert_group_used_count",
    "first_k_dense_replace": "{arch}.leading_dense_block_count",
}
"""Config field to metadata key."""

GATED = ("gate_proj", "up_proj", "down_proj")


def moe_tensors(
    block: str = "mlp",
    experts: tuple[str, str, str] = GATED,
    *,
    gate: str = "gate",
    correction: str = "gate.e_score_correction_bias",
    shared: str = "shared_experts",
) -> Mapping[str, str]:
    """Tensors of a feed-forward ``block``; the others are its parts' names, ``experts`` those of gate, up and down."""
    table = {f"{block}.{gate}": "ffn_gate_inp", f"{block}.{correction}": "exp_probs_b.bias"}
    for name, expert, stored in zip(GATED, experts, ("ffn_gate", "ffn_up", "ffn_down"), strict=True):
        table[f"{block}.experts.{expert}"] = f"{stored}_exps"
        table[f"{block}.{shared}.{name}"] = f"{stored}_shexp"
    return table


MOE = GgufMap(config=MOE_CONFIG, tensors=moe_tensors())
"""The mapping of architectures that need nothing beyond the common tables and these."""
