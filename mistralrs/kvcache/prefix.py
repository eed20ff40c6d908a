"""Finds the part of a prompt whose keys and values are in the cache already."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from mistralrs.kvcache.blocks import BlockPool

Tokens = NDArray[np.int64]


class PrefixCache:
    """Names full blocks by a hash chain: sha256 over the key of the block before and the block's tokens.

    Two blocks have the same key only if everything up to their ends is the same, so equal keys mean equal content.
    The chain starts from ``namespace`` (what the content depends on besides tokens: model, cache type) and a salt
    (whose cache it is). A cryptographic hash because prompts are chosen by strangers: with a weaker one, a crafted
    prompt could be answered from somebody else's.
    """

    def __init__(self, pool: BlockPool, block_size: int, namespace: bytes = b"", *, enabled: bool = True) -> None:
        self.pool = pool
        self.block_size = block_size
        self.enabled = enabled
        self._namespace = sha256(namespace).digest()

    def extend(self, keys: list[bytes], tokens: Tokens, salt: bytes = b"") -> None:
        """Append to ``keys`` those of the full blocks of ``tokens`` that it lacks."""
        if not self.enabled:
            return
        size = self.block_size
        parent = keys[-1] if keys else sha256(self._namespace + salt).digest()
        for start in range(len(keys) * size, len(tokens) - size + 1, size):
            parent = sha256(parent + tokens[start : start + size].tobytes()).digest()
            keys.append(parent)

    def longest(self, keys: list[bytes], length: int) -> list[int]:
        """The blocks known for the beginning of a sequence of ``length`` tokens; nobody is made their holder.

        At least one token is always left out: its logits are what the sequence is run for.
        """
        found: list[int] = []
        for key in keys[: (length - 1) // self.block_size]:
            block = self.pool.find(key)
            if block is None:
                break
            found.append(block)
        return found
