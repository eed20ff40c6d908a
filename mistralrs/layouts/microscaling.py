"""Torch decoder of MXFP4: 32 four-bit floats (E2M1) that share a power of two (OCP Microscaling Formats 1.0).

A block is the exponent, biased by 127, and 16 bytes of which byte ``i`` carries values ``i`` and ``i + 16``
(ggml-common.h).
"""

from __future__ import annotations

import torch
from torch import Tensor

_TWICE_E2M1 = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0)
"""Twice the values of the eight codes, so that the largest exponent does not overflow before it is applied."""


def decode_mxfp4(blocks: Tensor) -> Tensor:
    """Bytes: exponent 1, nibbles 16. ``[n, 17] -> [n, 32]``."""
    negative = (0.0 - value for value in _TWICE_E2M1)
    values = torch.tensor([*_TWICE_E2M1, *negative], dtype=torch.float32, device=blocks.device)
    nibbles = torch.cat((blocks[:, 1:] & 15, blocks[:, 1:] >> 4), dim=1)
    return torch.ldexp(values[nibbles.int()], blocks[:, :1].int() - 128)
