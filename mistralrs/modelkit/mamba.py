"""The Mamba-2 block and the part that makes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mistralrs.layers import RmsNorm
from mistralrs.layers.conv import CausalConv
from mistralrs.modelkit.state import causal_conv, constant, decay_rates
from mistralrs.ops import ScanWeights, StateSpec, Step

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder


class Mamba2(nn.Module):
    """Project, convolve, scan, gate, norm, project back (Dao and Gu 2024, arXiv 2405.21060)."""

    def __init__(
        self,
        into: nn.Module,
        conv: CausalConv,
        cache: int,
        weights: ScanWeights,
        norm: nn.Module | None,
        out: nn.Module,
        sizes: tuple[int, int, int],
        *,
        norm_first: bool = False,
    ) -> None:
        """``sizes``: inner width, inputs and outputs of the state (each), heads. ``norm_first``: before the gate."""
        super().__init__()
        self.into, self.conv, self.norm, self.out = into, conv, norm, out
        self.cache, self.weights = cache, weights
        self.inner, self.shared, self.heads = sizes
        self.norm_first = norm_first

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """``[tokens, width]`` to the same."""
        ops, inner, shared = step.ops, self.inner, self.shared
        gate, values, dt = ops.split(self.into(x, step), (inner, inner + 2 * shared, self.heads))
        values, b, c = ops.split(self.conv(values, step), (inner, shared, shared))
        y = ops.ssd(values, dt, b, c, self.weights, *step.state(self.cache))
        if self.norm is None:
            y = ops.gated(gate, y, "silu")
        elif self.norm_first:
            y = ops.gated(gate, self.norm(y, step), "silu")
        else:
            y = self.norm(ops.gated(gate, y, "silu"), step)
        return self.out(y, step)  # type: ignore[no-any-return]


class GroupedRmsNorm(nn.Module):
    """RMS norm over each of ``groups`` equal parts of the width, with a weight for every number."""

    weight: Tensor
    ones: Tensor

    def __init__(self, weight: Tensor, groups: int, eps: float) -> None:
        super().__init__()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("ones", torch.ones_like(weight[: len(weight) // groups]), persistent=False)
        self.eps = eps

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """Same shape out as in."""
        return step.ops.multiply(step.ops.rms_norm(x, self.ones, self.eps), self.weight)


def grouped_norm(cfg: Any, wb: WeightBuilder, name: str, width: int, groups: int) -> nn.Module:
    """An RMS norm over ``groups`` parts of ``width``."""
    folded = cfg.state_style == "folded" and groups > 1
    shape = (groups, width // groups) if folded else (width,)
    weight = wb.pp(name).tensor("weight", shape, role="norm").view(width)
    if groups == 1:
        return RmsNorm(weight, cfg.rms_norm_eps)
    return GroupedRmsNorm(weight, groups, cfg.rms_norm_eps)


def mamba2(
    cfg: Any,
    wb: WeightBuilder,
    index: int,
    rope: nn.Module | None,
    *,
    norm: bool = True,
    norm_first: bool = False,
) -> Mamba2:
    """A Mamba-2 block with the sizes of :class:`~mistralrs.modelkit.SsmConfig`; its norm is over each group.

    ``norm`` False: none; ``norm_first``: before the gate.
    """
    inner, shared = cfg.mamba_n_heads * cfg.mamba_d_head, cfg.mamba_n_groups * cfg.mamba_d_state
    heads, bias = cfg.mamba_n_heads, cfg.mamba_proj_bias
    conv = causal_conv(cfg, wb, "conv1d", inner + 2 * shared, cfg.mamba_d_conv, bias=cfg.mamba_conv_bias)
    return Mamba2(
        wb.linear("in_proj", cfg.hidden_size, 2 * inner + 2 * shared + heads, bias=bias),
        conv,
        wb.cache(StateSpec(shape=(heads, cfg.mamba_d_head, cfg.mamba_d_state))),
        scan_weights(cfg, wb),
        grouped_norm(cfg, wb, "norm", inner, cfg.mamba_n_groups) if norm else None,
        wb.linear("out_proj", inner, cfg.hidden_size, bias=bias),
        (inner, shared, heads),
        norm_first=norm_first,
    )


def scan_weights(cfg: Any, wb: WeightBuilder) -> ScanWeights:
    """The constants of a Mamba-2 scan."""
    heads = cfg.mamba_n_heads
    shape = (heads, 1) if cfg.state_style == "folded" else (heads,)
    rates, through = decay_rates(cfg, wb, *shape).view(heads), constant(wb, "D", *shape).view(heads)
    return ScanWeights(rates, constant(wb, "dt_bias", heads), through, cfg.time_step_limit)
