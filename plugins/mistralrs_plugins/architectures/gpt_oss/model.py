"""GPT-OSS = attention with sinks and a window on every second layer, and experts with a clamped gate and biases."""

from functools import partial
from typing import Any

from torch import nn

from mistralrs.layers import ExpertLinear, GatedExperts
from mistralrs.modelkit import (
    DecoderRecipe,
    gated_experts,
    has_stacks,
    moe_block,
    sink_gqa,
    stacked_mxfp4,
    stacked_transposed,
)
from mistralrs.weights import WeightBuilder

ACTIVATION = "clamped_swiglu"


def experts(cfg: Any, wb: WeightBuilder) -> nn.Module:
    """Experts whose gate and up alternate column by column; GGUF has them apart."""
    if has_stacks(wb):
        return gated_experts(cfg, wb, bias=True, activation=ACTIVATION)
    at, count, width, inner = wb.pp("experts"), cfg.num_experts, cfg.hidden_size, cfg.moe_intermediate_size
    stored = stacked_mxfp4 if at.has("gate_up_proj_blocks") else stacked_transposed
    gate, up = stored(at, "gate_up_proj", count, width, (inner, inner), alternating=True)
    (down,) = stored(at, "down_proj", count, inner, (width,))
    biases = at.tensor("gate_up_proj_bias", (count, 2 * inner))
    return GatedExperts(
        ExpertLinear(gate, biases[:, 0::2].contiguous()),
        ExpertLinear(up, biases[:, 1::2].contiguous()),
        ExpertLinear(down, at.tensor("down_proj_bias", (count, width))),
        ACTIVATION,
    )


build = DecoderRecipe(attention=sink_gqa, mlp=partial(moe_block, gate="router", gate_bias=True, experts=experts))
