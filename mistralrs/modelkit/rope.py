"""Rotary embeddings as configs and checkpoints describe them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mistralrs.errors import ModelFormatError
from mistralrs.layers import DynamicAngles, FixedAngles, LongAngles, Rope
from mistralrs.layers.rope import plain_frequencies
from mistralrs.layers.rope_scaling import (
    llama3_frequencies,
    longrope_attention_factor,
    yarn_attention_factor,
    yarn_frequencies,
)
from mistralrs.modelkit.config import CausalConfig
from mistralrs.modelkit.rope_config import RopeParameters
from mistralrs.ops import Rotary

if TYPE_CHECKING:
    from mistralrs.weights import WeightBuilder

DIVISORS = "rope_freqs.weight"
SHORT, LONG = "rope_factors_short.weight", "rope_factors_long.weight"


def rope_per_layer(cfg: CausalConfig, wb: WeightBuilder) -> list[Rope]:
    """Each layer's rotary embedding; layers with the same settings share one, and with it a step's angles."""
    everywhere = rope_from(cfg, cfg.rope_parameters, wb)
    sliding = everywhere
    if cfg.sliding_rope_parameters is not None:
        sliding = rope_from(cfg, cfg.sliding_rope_parameters, wb)
    return [sliding if cfg.slides(layer) else everywhere for layer in range(cfg.num_hidden_layers)]


def rope_where(wanted: Callable[[Any, int], bool]) -> Callable[[Any, Any], list[Rope | None]]:
    """A recipe's ``rope``: rotary embeddings on the layers for which ``wanted(cfg, index)``, none on the others."""

    def part(cfg: Any, wb: Any) -> list[Rope | None]:
        return [rope if wanted(cfg, layer) else None for layer, rope in enumerate(rope_per_layer(cfg, wb))]

    return part


def rope_by_theta(cfg: Any, wb: WeightBuilder) -> list[Rope | None]:
    """A recipe's ``rope`` for configs whose ``layer_rope_theta`` gives each layer's base, zero for no rotation."""
    table = cfg.rope_parameters
    thetas = cfg.layer_rope_theta or (table.rope_theta,) * cfg.num_hidden_layers
    tables = {theta: table.model_copy(update={"rope_theta": theta}) for theta in set(thetas) - {0}}
    ropes = {theta: rope_from(cfg, each, wb) for theta, each in tables.items()}
    return [ropes.get(theta) for theta in thetas]


def no_rope(cfg: Any, wb: WeightBuilder) -> list[Rope | None]:
    """A recipe's ``rope`` for models that know positions otherwise."""
    return [None] * int(cfg.num_hidden_layers)


def rope_backwards(cfg: CausalConfig, wb: WeightBuilder) -> list[Rope | None]:
    """A recipe's ``rope`` for heads that turn the other way round."""
    ropes = rope_per_layer(cfg, wb)
    for angles in dict.fromkeys(rope.angles for rope in ropes):
        if isinstance(angles, FixedAngles):
            angles.inv_freq = -angles.inv_freq
    return list(ropes)


def rope_from(cfg: CausalConfig, table: RopeParameters, wb: WeightBuilder) -> Rope:
    """The rotary embedding of one table, with the frequency divisors a checkpoint may carry beside it."""
    kinds = {"longrope": _long, "dynamic": _fixed if table.alpha else _dynamic, "proportional": _proportional}
    angles = kinds.get(table.rope_type, _fixed)
    return Rope(angles(cfg, table, wb), cfg.head_dim, cfg.rope_style)


def _fixed(cfg: CausalConfig, table: RopeParameters, wb: WeightBuilder) -> Rotary:
    rotary = table.rotary_dim(cfg.head_dim)
    base = table.rope_theta * (table.alpha ** (rotary / (rotary - 2)) if table.alpha else 1.0)
    freq, sharpen = plain_frequencies(rotary, base, wb.device), 1.0
    factor, trained = _stretch(cfg, table)
    if table.rope_type == "linear":
        freq = freq / factor
    elif table.rope_type == "llama3":
        low, high = table.low_freq_factor, table.high_freq_factor
        freq = llama3_frequencies(freq, factor=factor, trained=trained, low=low, high=high)
    elif table.rope_type == "yarn":
        freq = yarn_frequencies(
            freq,
            table.rope_theta,
            factor=factor,
            trained=trained,
            fast=table.beta_fast,
            slow=table.beta_slow,
            truncate=table.truncate,
        )
        sharpen = table.attention_factor or yarn_attention_factor(factor, table.mscale, table.mscale_all_dim)
    if wb.has(DIVISORS):
        freq = freq / _small(wb, DIVISORS, rotary // 2)
    return FixedAngles(freq, sharpen)


def _proportional(cfg: CausalConfig, table: RopeParameters, wb: WeightBuilder) -> Rotary:
    freq = plain_frequencies(cfg.head_dim, table.rope_theta, wb.device) / (table.factor or 1.0)
    if wb.has(DIVISORS):  # huge ones for the numbers that stay
        return FixedAngles(freq / _small(wb, DIVISORS, cfg.head_dim // 2))
    freq[table.rotary_dim(cfg.head_dim) // 2 :] = 0
    return FixedAngles(freq)


def _long(cfg: CausalConfig, table: RopeParameters, wb: WeightBuilder) -> Rotary:
    freq = plain_frequencies(table.rotary_dim(cfg.head_dim), table.rope_theta, wb.device)
    factor, trained = _stretch(cfg, table)
    short = freq / _divisors(wb, SHORT, table.short_factor, len(freq))
    long = freq / _divisors(wb, LONG, table.long_factor, len(freq))
    sharpen = table.attention_factor or longrope_attention_factor(factor, trained)
    return LongAngles(short, long, trained, sharpen)


def _dynamic(cfg: CausalConfig, table: RopeParameters, wb: WeightBuilder) -> Rotary:
    # Unlike the others, this one states its trained length as the model's context length.
    rotary, factor = table.rotary_dim(cfg.head_dim), table.factor or 1.0
    return DynamicAngles(rotary, table.rope_theta, factor, cfg.max_position_embeddings)


def _stretch(cfg: CausalConfig, table: RopeParameters) -> tuple[float, int]:
    """The factor, and the trained length it starts from."""
    trained = table.original_max_position_embeddings or cfg.max_position_embeddings
    return table.factor or cfg.max_position_embeddings / trained, trained


def _divisors(wb: WeightBuilder, name: str, listed: tuple[float, ...] | None, count: int) -> Tensor:
    if wb.has(name):
        return _small(wb, name, count)
    if listed is None:
        raise ModelFormatError(
            f"LongRoPE needs {name} in the checkpoint, or short_factor and long_factor in config.json"
        )
    return torch.tensor(listed, dtype=torch.float32, device=wb.device)


def _small(wb: WeightBuilder, name: str, count: int) -> Tensor:
    """Divisors in full precision: at far positions the compute type's rounding would add up."""
    return wb.weight(name, (count,), role="rope").to_dense(torch.float32)
