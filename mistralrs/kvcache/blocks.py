"""Who holds which cache block. Blocks are numbers; the memory behind them is in :mod:`mistralrs.kvcache.paged`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from mistralrs.errors import EngineError


class BlockPool:
    """A fixed number of blocks, each in exactly one of three states.

    *used*: held by one or more sequences. *cached*: held by nobody, but its content is known under a key and may be
    wanted again. *free*: the rest. Free blocks are handed out first, then cached ones, least recently used first.
    At any time ``free + cached + used == size``; every operation on one block takes constant time.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = list(range(size - 1, -1, -1))  # a stack: low numbers first, and touched memory is used again
        self._holders = [0] * size
        self._key_of: list[bytes | None] = [None] * size
        self._block_of: dict[bytes, int] = {}
        self._cached: OrderedDict[int, None] = OrderedDict()  # oldest first
        self.evictions = 0  # cached blocks that were given away

    @property
    def free(self) -> int:
        """Blocks nobody holds and nobody could want again."""
        return len(self._free)

    @property
    def cached(self) -> int:
        """Blocks nobody holds whose content can still be found by its key."""
        return len(self._cached)

    @property
    def used(self) -> int:
        """Blocks held by sequences."""
        return self.size - self.available

    @property
    def available(self) -> int:
        """Blocks that :meth:`take` could hand out now."""
        return len(self._free) + len(self._cached)

    def take(self) -> int | None:
        """A block for one holder, or None when all are in use. Its former content is forgotten."""
        if self._free:
            block = self._free.pop()
        elif self._cached:
            block, _ = self._cached.popitem(last=False)
            self.evictions += 1
            self._drop_key(block)
        else:
            return None
        self._holders[block] = 1
        return block

    def take_surely(self) -> int:
        """:meth:`take` for a caller that knows :attr:`available`. Raises :class:`EngineError` if it was wrong."""
        block = self.take()
        if block is None:
            raise EngineError(f"all {self.size} cache blocks are in use")
        return block

    def share(self, block: int) -> None:
        """Add a holder to a block found by :meth:`find`."""
        if self._holders[block] == 0:
            del self._cached[block]
        self._holders[block] += 1

    def release(self, blocks: Iterable[int]) -> None:
        """Take one holder off each block. The last of ``blocks`` will be reused first.

        A prefix is of no use without its beginning, so of one sequence's blocks the end has to go first.
        """
        for block in reversed(list(blocks)):
            self._holders[block] -= 1
            if self._holders[block] == 0:
                if self._key_of[block] is None:
                    self._free.append(block)
                else:
                    self._cached[block] = None

    def publish(self, block: int, key: bytes) -> None:
        """Make the content of a used block findable. The first block published under a key keeps it."""
        if self._key_of[block] is None and key not in self._block_of:
            self._key_of[block] = key
            self._block_of[key] = block

    def find(self, key: bytes) -> int | None:
        """The block whose content has this key, held or cached."""
        return self._block_of.get(key)

    def is_held(self, block: int) -> bool:
        """Whether any sequence holds the block."""
        return self._holders[block] > 0

    def is_cached(self, block: int) -> bool:
        """Whether nobody holds the block but its content is known."""
        return block in self._cached

    def forget(self, blocks: Iterable[int]) -> None:
        """Make the content of ``blocks`` unfindable, whoever holds them."""
        for block in blocks:
            self._drop_key(block)
            if block in self._cached:
                del self._cached[block]
                self._free.append(block)

    def _drop_key(self, block: int) -> None:
        key = self._key_of[block]
        if key is not None:
            del self._block_of[key]
            self._key_of[block] = None
