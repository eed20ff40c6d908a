"""Rotary position embedding (Su et al. 2021, arXiv 2104.09864) and the rescalings that stretch its context."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mistralrs.ops import Step
from mistralrs.ops.ops import RopeStyle


@dataclass(frozen=True, slots=True, kw_only=True)
class RopeScaling:
    """How frequencies are stretched beyond the trained context.

    ``linear`` divides all of them by ``factor``. ``llama3`` divides the slow ones, keeps the fast ones and blends
    between (Llama 3.1 report). ``yarn`` blends by how often a pair turns within the trained context and sharpens
    attention a little (Peng et al. 2023, arXiv 2309.00071).
    """

    kind: str
    factor: float
    original_context: int = 8192
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float | None = None
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool = True


class Rope(nn.Module):
    """Rotates the first ``rotary_dim`` numbers of each head by angles proportional to the position."""

    inv_freq: Tensor

    def __init__(
        self,
        head_dim: int,
        theta: float,
        *,
        rotary_dim: int | None = None,
        scaling: RopeScaling | None = None,
        divisors: Tensor | None = None,
        style: RopeStyle = "halves",
        device: torch.device | None = None,
    ) -> None:
        """``divisors`` ``[rotary_dim / 2]`` divide the frequencies, as a GGUF's ``rope_freqs`` tensor states them."""
        super().__init__()
        rotary = rotary_dim or head_dim
        freq, self.factor = frequencies(rotary, theta, scaling)
        if divisors is not None:
            freq = freq / divisors.to(freq)
        self.register_buffer("inv_freq", freq.to(device), persistent=False)
        self.head_dim = head_dim
        self.style: RopeStyle = style

    def forward(self, x: Tensor, step: Step) -> Tensor:
        """Rotate every head of ``x`` ``[tokens, heads * head_dim]``."""
        cos, sin = step.rotation(self)
        return step.ops.rope(x, cos, sin, self.head_dim, self.style)


def frequencies(rotary: int, theta: float, scaling: RopeScaling | None) -> tuple[Tensor, float]:
    """Angle per position of each pair, ``[rotary / 2]`` float32, and the factor on cosine and sine."""
    freq = 1.0 / theta ** (torch.arange(0, rotary, 2, dtype=torch.float32) / rotary)
    if scaling is None:
        return freq, 1.0
    if scaling.kind == "linear":
        return freq / scaling.factor, 1.0
    if scaling.kind == "llama3":
        return _llama3(freq, scaling), 1.0
    if scaling.kind == "yarn":
        return _yarn(freq, rotary, theta, scaling), _yarn_attention_factor(scaling)
    raise ValueError(f"unknown rope scaling {scaling.kind!r}; known: linear, llama3, yarn")


def _llama3(freq: Tensor, s: RopeScaling) -> Tensor:
    wavelength = 2 * math.pi / freq
    turns = s.original_context / wavelength
    keep = ((turns - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor)).clamp(0, 1)
    return keep * freq + (1 - keep) * freq / s.factor


def _yarn(freq: Tensor, rotary: int, theta: float, s: RopeScaling) -> Tensor:
    def pair_turning(times: float) -> float:
        """The (fractional) pair that turns ``times`` within the trained context."""
        return rotary * math.log(s.original_context / (times * 2 * math.pi)) / (2 * math.log(theta))

    low, high = pair_turning(s.beta_fast), pair_turning(s.beta_slow)
    if s.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, rotary - 1)
    ramp = (torch.arange(rotary // 2, dtype=torch.float32) - low) / max(high - low, 0.001)
    stretched = ramp.clamp(0, 1)
    return stretched * freq / s.factor + (1 - stretched) * freq


def _yarn_attention_factor(s: RopeScaling) -> float:
    def mscale(weight: float) -> float:
        return 0.1 * weight * math.log(s.factor) + 1.0 if s.factor > 1 else 1.0

    if s.attention_factor is not None:
        return s.attention_factor
    if s.mscale and s.mscale_all_dim:
        return mscale(s.mscale) / mscale(s.mscale_all_dim)
    return mscale(1.0)
