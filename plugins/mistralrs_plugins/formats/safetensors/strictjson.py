"""JSON from untrusted files: bounded in size and depth, without repeated keys, and always an object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mistralrs.errors import ModelFormatError

MAX_BYTES = 100_000_000
HINT = "the file is damaged: fetch it again"


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file. Raises :class:`~mistralrs.errors.ModelFormatError` naming the file."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelFormatError(f"{path.name}: larger than {MAX_BYTES // 10**6} MB", HINT)
        return parse_object(path.read_bytes(), path.name)
    except OSError as error:
        raise ModelFormatError(f"{path.name}: cannot be read: {error.strerror}", f"check {path}") from None


def parse_object(data: bytes, where: str) -> dict[str, Any]:
    """The JSON object in ``data``; ``where`` heads the message of the error that is raised otherwise."""
    try:
        found = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_refuse)
    except _RepeatedKeyError as error:
        raise ModelFormatError(f"{where}: the key {error.key[:80]!r} is given twice", HINT) from None
    except (ValueError, RecursionError):
        raise ModelFormatError(f"{where}: not valid JSON", HINT) from None
    if not isinstance(found, dict):
        raise ModelFormatError(f"{where}: not a JSON object", HINT)
    return found


class _RepeatedKeyError(Exception):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedKeyError(key)
            seen.add(key)
    return found


def _refuse(constant: str) -> None:
    raise ValueError(constant)
