"""Frequencies that are stretched once and for all, so that a model reads more than it was trained on."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def llama3_frequencies(freq: Tensor, *, factor: float, trained: int, low: float, high: float) -> Tensor:
    """Divide slow frequencies, keep fast ones, blend between (Llama 3.1 report, arXiv 2407.21783).

    ``low`` and ``high`` are turns within the ``trained`` context: up to ``low`` a pair is slow, from ``high`` on fast.
    """
    turns = trained * freq / (2 * math.pi)
    keep = ((turns - low) / (high - low)).clamp(0, 1)
    return keep * freq + (1 - keep) * freq / factor


def yarn_frequencies(
    freq: Tensor, theta: float, *, factor: float, trained: int, fast: float, slow: float, truncate: bool
) -> Tensor:
    """Blend by pair index between those that turn ``fast`` and ``slow`` times (YaRN, arXiv 2309.00071)."""
    rotary = 2 * len(freq)

    def pair_turning(times: float) -> float:
        """The (fractional) pair that turns ``times`` within the trained context."""
        return rotary * math.log(trained / (times * 2 * math.pi)) / (2 * math.log(theta))

    first, last = pair_turning(fast), pair_turning(slow)
    if truncate:
        first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, rotary - 1)
    ramp = (torch.arange(len(freq), dtype=torch.float32).to(freq.device) - first) / ((last - first) or 0.001)
    stretched = ramp.clamp(0, 1)
    return stretched * freq / factor + (1 - stretched) * freq


def yarn_attention_factor(factor: float, mscale: float | None = None, mscale_all_dim: float | None = None) -> float:
    """How much YaRN sharpens attention; models that tuned it give two weights whose ratio counts."""

    def sharpen(weight: float) -> float:
        return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0

    return sharpen(mscale) / sharpen(mscale_all_dim) if mscale and mscale_all_dim else sharpen(1.0)


def longrope_attention_factor(factor: float, trained: int) -> float:
    """How much LongRoPE sharpens attention (arXiv 2402.13753)."""
    return math.sqrt(1 + math.log(factor) / math.log(trained)) if factor > 1 and trained > 1 else 1.0
