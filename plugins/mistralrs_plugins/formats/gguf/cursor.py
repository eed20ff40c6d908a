"""Reading values one after another from a GGUF header, never past the end of the file."""

from __future__ import annotations

import struct
from mmap import mmap
from typing import NoReturn

from mistralrs.errors import ModelFormatError
from mistralrs_plugins.formats.gguf.codes import SCALARS, UINT32, UINT64

DAMAGED = "the file is damaged or incomplete: fetch it again"


class Cursor:
    """A position in a file's bytes. ``subject`` says what is being read, and heads every error."""

    def __init__(self, data: mmap | bytes, file: str) -> None:
        self.data = data
        self.file = file
        self.end = len(data)
        self.position = 0
        self.subject = "header"

    def fail(self, problem: str, hint: str = DAMAGED) -> NoReturn:
        """Raise :class:`ModelFormatError` that names the file and the subject."""
        raise ModelFormatError(f"{self.file}: {self.subject}: {problem}", hint)

    def skip(self, size: int) -> int:
        """Step over ``size`` bytes and return where they start."""
        start = self.position
        if size > self.end - start:
            self.fail(f"{size} bytes at offset {start} run past the end of the file")
        self.position = start + size
        return start

    def expect(self, count: int, size: int, what: str) -> None:
        """Refuse a ``count`` of things of at least ``size`` bytes that the rest of the file cannot hold."""
        if count * size > self.end - self.position:
            self.fail(f"{count} {what} do not fit into the file")

    def uint32(self) -> int:
        """The next four bytes."""
        return int(UINT32.unpack_from(self.data, self.skip(4))[0])

    def uint64(self) -> int:
        """The next eight bytes."""
        return int(UINT64.unpack_from(self.data, self.skip(8))[0])

    def skip_numbers(self, kind: int, count: int) -> None:
        """Step over ``count`` values of a fixed-size type."""
        name, letter = SCALARS[kind]
        size = struct.calcsize(letter)
        self.expect(count, size, f"{name} values")
        self.skip(count * size)

    def numbers(self, kind: int, count: int) -> list[int] | list[float] | list[bool]:
        """``count`` values of a fixed-size type."""
        start, letter = self.position, SCALARS[kind][1]
        self.skip_numbers(kind, count)
        return list(struct.unpack_from(f"<{count}{letter}", self.data, start))

    def string(self) -> str:
        """A string with its length before it."""
        return self.strings(1)[0]

    def skip_strings(self, count: int) -> None:
        """Step over ``count`` strings. Written flat: vocabularies have hundreds of thousands of them."""
        self.expect(count, UINT64.size, "strings")
        data, position, end, length_at = self.data, self.position, self.end, UINT64.unpack_from
        try:
            for _ in range(count):
                start = position + 8
                position = start + length_at(data, position)[0]
                if position > end:
                    self.fail(f"a string of {position - start} bytes at offset {start} runs past the end of the file")
        except struct.error:
            self.fail("a string's length runs past the end of the file")
        self.position = position

    def strings(self, count: int) -> list[str]:
        """``count`` strings."""
        first = self.position
        self.skip_strings(count)
        data, position, length_at = self.data, first, UINT64.unpack_from
        found: list[str] = []
        try:
            for _ in range(count):
                start = position + 8
                position = start + length_at(data, position)[0]
                found.append(data[start:position].decode())
        except UnicodeDecodeError:
            self.fail(f"string {len(found)} is not UTF-8")
        return found
