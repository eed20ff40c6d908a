"""Feed-forward blocks as parts: called with the config and a builder that stands where the block's weights are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from torch import nn

from mistralrs.layers import Activation, GatedMlp, Mlp, PackedGatedMlp
from mistralrs.modelkit.config import CausalConfig

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder

GATED = ("gate_proj", "up_proj", "down_proj")


def gated_mlp(
    cfg: CausalConfig,
    wb: WeightBuilder,
    *,
    packed: str | None = None,
    activation: str | None = None,
    names: tuple[str, str, str] = GATED,
    inner: int | None = None,
) -> GatedMlp | PackedGatedMlp:
    """The gated feed-forward block.

    ``packed`` names one matrix that holds gate and up; ``activation`` overrules a config that misstates it; ``names``
    are those of gate, up and down; ``inner`` is its width (None: the config's).
    """
    width, inner, bias = cfg.hidden_size, inner or cfg.intermediate_size, cfg.mlp_bias
    act = activation or cfg.hidden_act
    down = wb.linear(names[2], inner, width, bias=bias)
    if packed:
        return PackedGatedMlp(wb.linear(packed, width, 2 * inner, bias=bias), down, inner, act)
    gate, up = (wb.linear(name, width, inner, bias=bias) for name in names[:2])
    return GatedMlp(gate, up, down, act)


def by_name(cfg: CausalConfig, wb: WeightBuilder) -> nn.Module:
    """The activation that the config names."""
    return Activation(cfg.hidden_act)


def plain_mlp(
    cfg: CausalConfig,
    wb: WeightBuilder,
    *,
    up: str = "up_proj",
    down: str = "down_proj",
    bias: bool | None = None,
    activation: Callable[[Any, Any], nn.Module] = by_name,
) -> Mlp:
    """The feed-forward block without a gate. ``bias`` None: as the config's ``mlp_bias`` says."""
    width, inner = cfg.hidden_size, cfg.intermediate_size
    with_bias = cfg.mlp_bias if bias is None else bias
    first = wb.linear(up, width, inner, bias=with_bias)
    return Mlp(first, activation(cfg, wb), wb.linear(down, inner, width, bias=with_bias))
