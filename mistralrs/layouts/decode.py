"""From stored bytes to plain values, whatever the layout."""

from __future__ import annotations

import torch
from torch import Tensor

from mistralrs.layouts.layout import Layout

# Values decoded at a time, 2 MB as float32: few enough that a decoder's temporaries stay in the last-level cache, and
# enough that every operation is worth splitting over threads.
CHUNK = 512 * 1024


def dequantize(data: Tensor, layout: Layout, dtype: torch.dtype = torch.float32) -> Tensor:
    """Decode rows stored in ``layout``: uint8 ``[..., row_bytes]`` to ``dtype`` ``[..., width]``, on the same device.

    Plain types are views where neither the type nor the alignment stands in the way. Raises ValueError when a row is
    no whole number of blocks.
    """
    if data.shape[-1] % layout.block_bytes:
        raise ValueError(f"{layout.name} blocks have {layout.block_bytes} bytes; a row has {data.shape[-1]}")
    if layout.dtype is not None:
        return _view(data, getattr(torch, layout.dtype)).to(dtype)
    if layout.decode is None:
        raise ValueError(f"layout {layout.name} has no decoder")
    decode = layout.decode.load()
    width = data.shape[-1] // layout.block_bytes * layout.block
    out = torch.empty((*data.shape[:-1], width), dtype=dtype, device=data.device)
    if not out.numel():
        return out
    step = max(1, CHUNK // width)
    rows = data.reshape(-1, data.shape[-1])
    for source, target in zip(torch.split(rows, step), torch.split(out.view(-1, width), step), strict=True):
        target.copy_(decode(source.reshape(-1, layout.block_bytes)).view(target.shape))
    return out


def _view(data: Tensor, dtype: torch.dtype) -> Tensor:
    # Some formats pack tensors without padding; loads of a misaligned value are undefined on some processors.
    aligned = data.data_ptr() % dtype.itemsize == 0 and data.storage_offset() % dtype.itemsize == 0
    return (data if aligned and data.stride(-1) == 1 else data.clone(memory_format=torch.contiguous_format)).view(dtype)
