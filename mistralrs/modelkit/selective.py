"""The first Mamba block and the part that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mistralrs.layers import Chain, RmsNorm
from mistralrs.modelkit.norms import NormPart
from mistralrs.modelkit.state import causal_conv, constant, decay_rates
from mistralrs.ops import ScanWeights, StateSpec, Step

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder


class Mamba(nn.Module):
    """Project, convolve, choose step sizes and what goes into and out of the state, scan, gate, project back.

    Gu and Dao 2023, arXiv 2312.00752.
    """

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


def mamba1(cfg: Any, wb: WeightBuilder, index: int, rope: nn.Module | None, *, norm: NormPart) -> Mamba:
    """The block under the names of its authors; ``norm`` is that of step sizes and of the state's inputs."""
    inner, rank, size = cfg.mamba_expand * cfg.hidden_size, cfg.mamba_dt_rank, cfg.mamba_d_state
    parts: dict[str, nn.Module] = {
        "into": wb.linear("in_proj", cfg.hidden_size, 2 * inner, bias=cfg.mamba_proj_bias),
        "conv": causal_conv(cfg, wb, "conv1d", inner, cfg.mamba_d_conv, bias=cfg.mamba_conv_bias),
        "select": wb.linear("x_proj", inner, rank + 2 * size),
        "dt": wb.linear("dt_proj", rank, inner, bias=True),
        "dt_norm": norm(cfg, wb, "dt_layernorm", rank),
        "b_norm": norm(cfg, wb, "b_layernorm", size),
        "c_norm": norm(cfg, wb, "c_layernorm", size),
        "out": wb.linear("out_proj", inner, cfg.hidden_size, bias=cfg.mamba_proj_bias),
    }
    cache = wb.cache(StateSpec(shape=(inner, size)))
    weights = ScanWeights(decay_rates(cfg, wb, inner, size), d=constant(wb, "D", inner))
    return Mamba(parts, cache, weights, (inner, rank, size))


def mixer_norm(cfg: Any, wb: WeightBuilder, name: str, width: int) -> nn.Module:
    """A norm to length only, of models whose config says ``mixer_norms``."""
    if not cfg.mixer_norms:
        return Chain()
    return RmsNorm(torch.ones(width, dtype=wb.dtype, device=wb.device), cfg.mixer_rms_eps)
