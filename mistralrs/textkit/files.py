"""Reading a tokenizer file whole, with errors that name it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mistralrs.errors import ModelFormatError, SourceError

MAX_BYTES = 256 << 20
HINT = "the file is damaged or something else: fetch it again, or give another with --tokenizer FILE"


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises SourceError when it cannot be read, ModelFormatError for a huge one."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ModelFormatError(f"{path} is larger than {MAX_BYTES >> 20} MiB: not a tokenizer")
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read the tokenizer {path}: {error.strerror}") from error


def json_object(content: bytes, path: Path) -> dict[str, Any]:
    """The JSON object in ``content``. Raises ModelFormatError naming the file when there is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise ModelFormatError(f"{path} is not valid JSON", HINT) from None
    if not isinstance(found, dict):
        raise ModelFormatError(f"{path} must hold a JSON object", HINT)
    return found
