"""The memory of the paged cache: for every attention layer one tensor of keys and one of values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from mistralrs.errors import EngineError
from mistralrs.ops.meta import LayerCache
from mistralrs.ops.spec import CacheSpec


def bytes_per_block(specs: Sequence[CacheSpec], block_size: int, dtype: torch.dtype) -> int:
    """Bytes that one block takes in all layers together."""
    return block_size * dtype.itemsize * sum(spec.values_per_token for spec in specs)


class PagedCache:
    """``num_blocks`` blocks of ``block_size`` tokens in each layer.

    The address space is reserved at once, so that a running engine cannot run out of it; the system commits pages
    when they are first written. What has not been written is undefined.
    """

    def __init__(
        self,
        specs: Sequence[CacheSpec],
        num_blocks: int,
        block_size: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.num_blocks = num_blocks
        self.block_size = block_size
        self.bytes = num_blocks * bytes_per_block(specs, block_size, dtype)
        try:
            self.layers = [_layer(spec, num_blocks, block_size, dtype, device) for spec in specs]
        except (RuntimeError, MemoryError) as error:
            size = f"{self.bytes / 2**30:.1f} GiB for {num_blocks * block_size} tokens"
            raise EngineError(
                f"the cache does not fit in the memory of {device}: {size}",
                "use a shorter context, fewer sequences or a smaller cache type",
            ) from error

    def wipe(self, blocks: Iterable[int]) -> None:
        """Overwrite blocks with zeros: NaN left in one could spread into the sequence that gets it next."""
        index = list(blocks)
        for layer in self.layers:
            layer.k[index] = 0
            layer.v[index] = 0


def _layer(spec: CacheSpec, num_blocks: int, block_size: int, dtype: torch.dtype, device: torch.device) -> LayerCache:
    shape = (num_blocks, block_size, spec.kv_heads)
    return LayerCache(
        k=torch.empty(*shape, spec.head_dim, dtype=dtype, device=device),
        v=torch.empty(*shape, spec.v_head_dim or spec.head_dim, dtype=dtype, device=device),
    )
