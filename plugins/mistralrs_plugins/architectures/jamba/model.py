"""Jamba: Mamba in most layers, attention without rotation in some, experts in every second."""

from functools import partial
from typing import Any

from torch import Tensor, nn

from mistralrs.layers import CausalConv
from mistralrs.modelkit import (
    DecoderRecipe,
    Names,
    by_layer,
    causal_conv,
    constant,
    decay_rates,
    gqa,
    moe_block,
    no_rope,
    pre_norm,
    rms,
)
from mistralrs.ops import ScanWeights, StateSpec, Step
from mistralrs.weights import WeightBuilder
from mistralrs_plugins.architectures.jamba.config import JambaConfig


class Mamba(nn.Module):
    """The first Mamba (arXiv 2312.00752) with norms on step sizes and on what goes into and out of the state."""

    def __init__(self, parts: dict[str, nn.Module], cache: int, weights: ScanWeights, sizes: tuple[int, int, int]):
        """``sizes``: inner width, rank of the step sizes, size of a channel's state."""
        super().__init__()
        self.parts = nn.ModuleDict(parts)
        self.cache, self.weights = cache, weights
        self.inner, self.rank, self.size = sizes

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        ops, parts = step.ops, self.parts
        values, gate = ops.split(parts["into"](x, step), (self.inner, self.inner))
        values = parts["conv"](values, step)
        dt, b, c = ops.split(parts["select"](values, step), (self.rank, self.size, self.size))
        dt = parts["dt"](parts["dt_norm"](dt, step), step)
        b, c = parts["b_norm"](b, step), parts["c_norm"](c, step)
        y = ops.selective_scan(values, dt, b, c, self.weights, *step.state(self.cache))
        return parts["out"](ops.gated(gate, y, "silu"), step)  # type: ignore[no-any-return]


def mamba(cfg: JambaConfig, wb: WeightBuilder, index: int, rope: nn.Module | None) -> Mamba:
    """The block under the names of its authors."""
    inner, rank, size = cfg.mamba_expand * cfg.hidden_size, cfg.mamba_dt_rank, cfg.mamba_d_state
    conv: CausalConv = causal_conv(cfg, wb, "conv1d", inner, cfg.mamba_d_conv, bias=cfg.mamba_conv_bias)
    parts: dict[str, Any] = {
        "into": wb.linear("in_proj", cfg.hidden_size, 2 * inner, bias=cfg.mamba_proj_bias),
        "conv": conv,
        "select": wb.linear("x_proj", inner, rank + 2 * size),
        "dt": wb.linear("dt_proj", rank, inner, bias=True),
        "dt_norm": rms(cfg, wb, "dt_layernorm", rank),
        "b_norm": rms(cfg, wb, "b_layernorm", size),
        "c_norm": rms(cfg, wb, "c_layernorm", size),
        "out": wb.linear("out_proj", inner, cfg.hidden_size, bias=cfg.mamba_proj_bias),
    }
    cache = wb.cache(StateSpec(shape=(inner, size)))
    weights = ScanWeights(decay_rates(cfg, wb, inner, size), d=constant(wb, "D", inner))
    return Mamba(parts, cache, weights, (inner, rank, size))


build = DecoderRecipe(
    attention=by_layer("mamba", mamba, partial(gqa, bias=False)),
    mlp=partial(moe_block, gate="router"),
    layer=partial(pre_norm, names=("input_layernorm", "pre_ff_layernorm")),
    rope=no_rope,
    names=Names(attention="", mlp="feed_forward", norm="final_layernorm"),
)
