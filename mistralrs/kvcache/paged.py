"""The memory of the cache: every attention layer's blocks of keys and values, every recurrent layer's states."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from mistralrs.errors import EngineError
from mistralrs.ops.meta import LayerCache, StateCache
from mistralrs.ops.spec import CacheSpec, StateSpec


def bytes_per_block(specs: Sequence[CacheSpec], block_size: int, dtype: torch.dtype) -> int:
    """Bytes that one block takes in all layers together."""
    return block_size * dtype.itemsize * sum(spec.values_per_token for spec in specs)


def bytes_per_state(specs: Sequence[CacheSpec]) -> int:
    """Bytes that the states of one sequence take in all layers together, 0 for models without recurrent layers."""
    return torch.float32.itemsize * sum(spec.values_per_sequence for spec in specs if isinstance(spec, StateSpec))


class PagedCache:
    """``num_blocks`` blocks of ``block_size`` tokens in each attention layer, ``num_states`` states in each other.

    The address space is reserved at once, so that a running engine cannot run out of it; the system commits pages
    when they are first written. What has not been written is undefined.
    """

    def __init__(
        self,
        specs: Sequence[CacheSpec],
        num_blocks: int,
        block_size: int,
        dtype: torch.dtype,
        devices: Sequence[torch.device],
        num_states: int = 0,
    ) -> None:
        """``devices`` has one entry for each of ``specs``: where that layer's share lies."""
        self.num_blocks = num_blocks
        self.block_size = block_size
        self.bytes = num_blocks * bytes_per_block(specs, block_size, dtype) + num_states * bytes_per_state(specs)
        try:
            self.layers: list[LayerCache | StateCache] = [
                StateCache.empty(spec, num_states, device)
                if isinstance(spec, StateSpec)
                else LayerCache.empty(spec, num_blocks, block_size, dtype, device)
                for spec, device in zip(specs, devices, strict=True)
            ]
        except (RuntimeError, MemoryError) as error:
            names = ", ".join(dict.fromkeys(map(str, devices)))
            size = f"{self.bytes / 2**30:.1f} GiB for {num_blocks * block_size} tokens"
            raise EngineError(
                f"the cache does not fit in the memory of {names}: {size}",
                "use a shorter context, fewer sequences or a smaller cache type",
            ) from error

    def wipe(self, blocks: Iterable[int]) -> None:
        """Overwrite blocks with zeros: NaN left in one could spread into the sequence that gets it next.

        States need no such care: a sequence writes its state before it reads it.
        """
        index = list(blocks)
        for layer in self.layers:
            if isinstance(layer, LayerCache):
                layer.k[index] = 0
                layer.v[index] = 0
