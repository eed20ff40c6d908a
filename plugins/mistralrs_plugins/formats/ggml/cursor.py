"""Reading values one after another from an old ggml file, never past its end."""

from __future__ import annotations

from mmap import mmap
from struct import Struct
from typing import NoReturn

from mistralrs.errors import ModelFormatError

DAMAGED = "the file is damaged or incomplete: fetch it again"
UINT32, FLOAT32 = Struct("<I"), Struct("<f")


class Cursor:
    """A position in a file's bytes. ``subject`` says what is being read, and heads every error."""

    def __init__(self, data: mmap | bytes, file: str) -> None:
        self.data = data
        self.file = file
        self.position = 0
        self.subject = "header"

    @property
    def left(self) -> int:
        """Bytes up to the end of the file."""
        return len(self.data) - self.position

    def fail(self, problem: str, hint: str = DAMAGED) -> NoReturn:
        """Raise :class:`ModelFormatError` that names the file and the subject."""
        raise ModelFormatError(f"{self.file}: {self.subject}: {problem}", hint)

    def skip(self, size: int) -> int:
        """Step over ``size`` bytes and return where they start."""
        start = self.position
        if size > self.left:
            self.fail(f"{size} bytes at offset {start} run past the end of the file")
        self.position = start + size
        return start

    def uint32(self) -> int:
        """The next four bytes as a number."""
        return int(UINT32.unpack_from(self.data, self.skip(4))[0])

    def float32(self) -> float:
        """The next four bytes as a number with a fraction."""
        return float(FLOAT32.unpack_from(self.data, self.skip(4))[0])

    def text(self, size: int) -> bytes:
        """The next ``size`` bytes."""
        start = self.skip(size)
        return bytes(self.data[start : start + size])

    def align(self, alignment: int) -> None:
        """Step to the next multiple of ``alignment``."""
        self.skip(-self.position % alignment)
