"""Causal convolution of every channel on its own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mistralrs.ops import AttentionMeta, StateCache
from mistralrs_plugins.kernels.torch.elementwise import activate
from mistralrs_plugins.kernels.torch.state import carry


def conv(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: str | None, cache: StateCache, meta: AttentionMeta
) -> Tensor:
    """The tokens behind those that the state kept, all sequences of one length at a time."""
    channels, width = weight.shape

    def run(state: Tensor, new: Tensor) -> tuple[Tensor, Tensor]:
        seen = torch.cat((state.to(x.dtype), new.transpose(1, 2)), dim=2)
        out = F.conv1d(seen, weight[:, None], bias, groups=channels).transpose(1, 2)
        return activate(out, activation) if activation else out, seen[:, :, seen.shape[2] - width + 1 :].float()

    return carry(run, channels, cache, meta, x)
