"""SentencePiece's compiled normalization (``precompiled_charsmap``), checked before the library walks it.

Four bytes of length, a double array of 32-bit units (darts-clone), then replacement texts with a zero after each. The
library follows the array without looking at its bounds, so all that text could reach is visited here first.
"""

from __future__ import annotations

import numpy as np

_LEAF_MARK = np.uint32(1 << 31)


def check(charsmap: bytes) -> None:
    """Raise ValueError saying what is wrong with a normalization; nothing is wrong with none."""
    if not charsmap:
        return
    size = int.from_bytes(charsmap[:4], "little")
    if len(charsmap) < 8 or size % 4 or not 4 <= size <= len(charsmap) - 4:
        raise ValueError("its length does not fit its content")
    units = np.frombuffer(charsmap, np.uint32, size // 4, 4)
    texts = charsmap[4 + size :]
    try:
        texts.decode()
    except UnicodeDecodeError:
        raise ValueError("its replacements are not UTF-8") from None
    values = _reachable_values(units)
    if values.size and int(values.max()) >= len(texts):
        raise ValueError("a replacement lies outside its texts")
    if any(texts[value] & 0xC0 == 0x80 for value in values.tolist()):
        raise ValueError("a replacement begins inside a character")


def _reachable_values(units: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Every value the array holds for some text. Raises ValueError when a walk leaves the array."""
    labels = np.arange(1, 256, dtype=np.int64)
    nodes, values = _bases(units, np.zeros(1, np.int64)), [np.zeros(0, np.int64)]
    seen = np.zeros(len(units), bool)
    while nodes.size:
        children = (nodes[:, None] ^ labels).ravel()
        wanted = np.tile(labels, nodes.size)
        _inside(units, children)
        children = children[(units[children] & (_LEAF_MARK | np.uint32(0xFF))) == wanted]
        children = np.unique(children[~seen[children]])  # equal endings of words share their nodes
        seen[children] = True
        nodes = _bases(units, children)
        leaves = nodes[(units[children] >> np.uint32(8)) & np.uint32(1) == 1]
        _inside(units, leaves)
        values.append((units[leaves] & ~_LEAF_MARK).astype(np.int64))
    return np.concatenate(values)


def _bases(
    units: np.ndarray[tuple[int], np.dtype[np.uint32]], nodes: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Where the children of nodes begin."""
    found = units[nodes].astype(np.int64)
    return nodes ^ ((found >> 10) << ((found & (1 << 9)) >> 6))


def _inside(
    units: np.ndarray[tuple[int], np.dtype[np.uint32]], places: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> None:
    if places.size and int(places.max()) >= len(units):
        raise ValueError("its tree leads out of the array")
