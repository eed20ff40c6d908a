"""Falcon H1: attention and Mamba-2 side by side in every layer, and multipliers in between."""

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from mistralrs.layers import Chain, GatedMlp, Scale
from mistralrs.modelkit import DecoderRecipe, Names, by_layer_type, gqa, mamba2, pre_norm
from mistralrs.ops import AttentionSpec, Step
from mistralrs.weights import WeightBuilder
from mistralrs_plugins.architectures.falcon_h1.config import FalconH1Config


class Columns(nn.Module):
    """Multiplies every column by its own constant ``[width]``."""

    factors: Tensor

    def __init__(self, factors: Tensor) -> None:
        super().__init__()
        self.register_buffer("factors", factors, persistent=False)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """Same shape out as in."""
        return step.ops.multiply(x, self.factors)


class SideBySide(nn.Module):
    """The sum of two blocks over the same input."""

    def __init__(self, one: nn.Module, other: nn.Module) -> None:
        super().__init__()
        self.one, self.other = one, other

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        return step.ops.add(self.one(x, step), self.other(x, step))


def spec(cfg: FalconH1Config, index: int) -> AttentionSpec:
    """Keys times a constant: the same as scores times it."""
    plain = by_layer_type(cfg, index)
    return replace(plain, scale=plain.scale * cfg.key_multiplier)


def column_factors(cfg: FalconH1Config, wb: WeightBuilder) -> Tensor:
    """The multiplier of each output of the scan's input projection: gate, values, inputs, outputs, step sizes."""
    inner, shared = cfg.mamba_n_heads * cfg.mamba_d_head, cfg.mamba_n_groups * cfg.mamba_d_state
    sizes = torch.tensor([inner, inner, shared, shared, cfg.mamba_n_heads])
    return torch.tensor(cfg.ssm_multipliers).repeat_interleave(sizes).to(device=wb.device, dtype=wb.dtype)


def both(cfg: FalconH1Config, wb: WeightBuilder, index: int, rope: nn.Module | None) -> SideBySide:
    """Attention and a scan over the same normed input."""
    scan = mamba2(cfg, wb.pp("mamba"), index, rope, norm=cfg.mamba_rms_norm, norm_first=cfg.mamba_norm_before_gate)
    scan.into = Chain(Scale(cfg.ssm_in_multiplier), scan.into, Columns(column_factors(cfg, wb)))
    attention = gqa(cfg, wb.pp("self_attn"), index, rope, spec=spec)
    return SideBySide(
        Chain(scan, Scale(cfg.ssm_out_multiplier)),
        Chain(Scale(cfg.attention_in_multiplier), attention, Scale(cfg.attention_out_multiplier)),
    )


def mlp(cfg: FalconH1Config, wb: WeightBuilder) -> GatedMlp:
    """The gated block with two multipliers."""
    width, inner, bias = cfg.hidden_size, cfg.intermediate_size, cfg.mlp_bias
    gate, up = (wb.linear(name, width, inner, bias=bias) for name in ("gate_proj", "up_proj"))
    down = wb.linear("down_proj", inner, width, bias=bias)
    first, last = map(Scale, cfg.mlp_multipliers)
    return GatedMlp(Chain(gate, first), up, Chain(down, last), cfg.hidden_act)


build = DecoderRecipe(
    attention=both,
    mlp=mlp,
    layer=partial(pre_norm, names=("input_layernorm", "pre_ff_layernorm")),
    embed_scale=lambda cfg: float(cfg.embedding_multiplier),
    logit_scale=lambda cfg: float(cfg.lm_head_multiplier),
    names=Names(attention="", mlp="feed_forward", norm="final_layernorm"),
)
