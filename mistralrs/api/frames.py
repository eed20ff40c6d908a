"""Messages from a pipe without waiting for any: what has come is kept until a message is whole."""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
from typing import Any, Final

_SIZE: Final = struct.Struct("!i")
_READ: Final = 1 << 16
"""Bytes at a time: all that a pipe of Linux holds."""


class Frames:
    """Reads what a :class:`multiprocessing.connection.Connection` sends, from a descriptor that then never blocks.

    Before each message stands its size in bytes, as four bytes with the highest first.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._partial = bytearray()
        os.set_blocking(descriptor, False)

    def read(self) -> list[Any]:
        """The messages that are whole by now, after one read. EOFError at the end, OSError for what is no message."""
        with contextlib.suppress(BlockingIOError):
            if not (piece := os.read(self._descriptor, _READ)):
                raise EOFError
            self._partial += piece
        messages = []
        while len(self._partial) >= _SIZE.size:
            end = _SIZE.size + _SIZE.unpack_from(self._partial)[0]
            if end < _SIZE.size:
                raise OSError("a message has a size below zero")
            if len(self._partial) < end:
                break
            messages.append(pickle.loads(self._partial[_SIZE.size : end]))
            del self._partial[:end]
        return messages
