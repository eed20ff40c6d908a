"""Torch decoders of the 256-value blocks: Q2_K, Q3_K, Q4_K, Q5_K and Q6_K.

A super-block holds 8 groups of 32 values, or 16 of 16, each with its own small integer scale (and minimum), all
under one or two half-precision factors (ggml-common.h). The order of operations is that of ggml's reference, so that
the results are equal bit for bit.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mistralrs.layouts.bits import fields, halves


def decode_q2_k(blocks: Tensor) -> Tensor:
    """Bytes: scales and minima 16, values 64, factors 4. ``[n, 84] -> [n, 256]``."""
    small = fields(blocks[:, :16], 4)
    values = _quarters(blocks[:, 16:80])
    return _scale_and_shift(values.view(-1, 16, 16), small[:, 0], small[:, 1], halves(blocks[:, 80:]))


def decode_q3_k(blocks: Tensor) -> Tensor:
    """Bytes: high bits 32, low bits 64, scales 12, factor 2. ``[n, 110] -> [n, 256]``."""
    # A clear high bit means minus four, a set one nothing: put the bit back and subtract four from all.
    high = fields(blocks[:, :32].contiguous(), 1) << 2
    values = high.bitwise_or_(_quarters(blocks[:, 32:96]).view_as(high)).view(torch.int8).sub_(4)
    low_scales = fields(blocks[:, 96:104], 4).flatten(1)
    scales = (fields(blocks[:, 104:108], 2).flatten(1) << 4).bitwise_or_(low_scales).view(torch.int8) - 32
    return _scale(values, scales, halves(blocks[:, 108:]))


def decode_q4_k(blocks: Tensor) -> Tensor:
    """Bytes: factors 4, scales and minima 12, nibbles 128. ``[n, 144] -> [n, 256]``."""
    values = _nibbles(blocks[:, 16:], 32)
    return _scale_and_shift(values, *_six_bit_pairs(blocks[:, 4:16]), halves(blocks[:, :4]))


def decode_q5_k(blocks: Tensor) -> Tensor:
    """Bytes: factors 4, scales and minima 12, high bits 32, nibbles 128. ``[n, 176] -> [n, 256]``."""
    values = fields(blocks[:, 16:48].contiguous(), 1) << 4
    values.bitwise_or_(_nibbles(blocks[:, 48:], 32))
    return _scale_and_shift(values, *_six_bit_pairs(blocks[:, 4:16]), halves(blocks[:, :4]))


def decode_q6_k(blocks: Tensor) -> Tensor:
    """Bytes: nibbles 128, high bits 64, signed scales 16, factor 2. ``[n, 210] -> [n, 256]``."""
    values = _quarters(blocks[:, 128:192]) << 4
    values.bitwise_or_(_nibbles(blocks[:, :128], 64).view_as(values))
    return _scale(values.view(torch.int8).sub_(32), blocks[:, 192:208].view(torch.int8), halves(blocks[:, 208:]))


def _nibbles(packed: Tensor, run: int) -> Tensor:
    """``[n, 128] -> [n, 256 // 32, 32]``; runs of ``run`` bytes hold ``run`` values low, then ``run`` values high."""
    return fields(packed.contiguous().view(-1, 128 // run, run), 4).view(-1, 8, 32)


def _quarters(packed: Tensor) -> Tensor:
    """``[n, 64] -> [n, 2, 4, 32]``: 2-bit values, four to a byte, in two halves of 32 bytes."""
    return fields(packed.contiguous().view(-1, 2, 32), 2)


def _six_bit_pairs(packed: Tensor) -> tuple[Tensor, Tensor]:
    """Scales and minima of eight groups from 12 bytes: two uint8 ``[n, 8]``.

    The first four of each lie whole in the low six bits of bytes 0-3 and 4-7. The last four have their low nibbles in
    bytes 8-11 (scale low, minimum high) and their upper two bits on top of bytes 0-3 and 4-7.
    """
    scale, minimum, rest = torch.split(packed, 4, dim=1)
    scales = torch.cat((scale & 63, (rest & 15) | ((scale >> 2) & 48)), dim=1)
    minima = torch.cat((minimum & 63, (rest >> 4) | ((minimum >> 2) & 48)), dim=1)
    return scales, minima


def _scale(values: Tensor, scales: Tensor, factor: Tensor) -> Tensor:
    """``factor * scale * value`` for 16 groups of 16."""
    step = (factor * scales.float()).unsqueeze(-1)
    return values.view(-1, 16, 16).float().mul_(step).flatten(1)


def _scale_and_shift(values: Tensor, scales: Tensor, minima: Tensor, factors: Tensor) -> Tensor:
    """``factor * scale * value - min_factor * minimum``, group by group."""
    factor, min_factor = torch.split(factors, 1, dim=1)
    step = (factor * scales.float()).unsqueeze(-1)
    shift = (min_factor * minima.float()).unsqueeze(-1)
    return values.float().mul_(step).sub_(shift).flatten(1)
