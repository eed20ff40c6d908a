"""Feed-forward blocks as parts: called with the config and a builder that stands where the block's weights are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

from mistralrs.errors import ModelFormatError
from mistralrs.layers import Activation, GatedMlp, Mlp, PackedGatedMlp, Xielu
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


def xielu(cfg: Any, wb: WeightBuilder) -> Xielu:
    """The learned activation, from tensors under ``act_fn`` or from the config's lists of one number for each layer."""
    at, layer = wb.pp("act_fn"), wb.layer or 0
    numbers = {}
    for name, shape in (("alpha_p", (1,)), ("alpha_n", (1,)), ("beta", ()), ("eps", ())):
        listed = getattr(cfg, f"xielu_{name}")
        if listed is None:
            numbers[name] = at.tensor(name, shape)
        elif layer < len(listed):
            numbers[name] = torch.tensor(listed[layer], dtype=wb.dtype, device=wb.device)
        else:
            raise ModelFormatError(f"xielu_{name} lists {len(listed)} layers, the model has more")
    positive = F.softplus(numbers["alpha_p"])
    negative = numbers["beta"] + F.softplus(numbers["alpha_n"])
    return Xielu(positive, negative, numbers["beta"], numbers["eps"])


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
