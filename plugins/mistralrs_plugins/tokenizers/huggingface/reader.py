"""``tokenizer.json``: read by the library that wrote it."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mistralrs.errors import ModelFormatError
from mistralrs.textkit import charsmap
from mistralrs.textkit.cache import cached
from mistralrs.textkit.files import HINT, json_object, read_bytes

if TYPE_CHECKING:
    from tokenizers import Tokenizer


def open_tokenizer(path: Path, beside: Mapping[str, Path]) -> Tokenizer:
    """Read the file. Raises :class:`~mistralrs.errors.ModelFormatError` naming it."""
    content = read_bytes(path)
    return cached(b"tokenizer.json\0" + content, lambda: _read(content, path))


def _read(content: bytes, path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    if b'"Precompiled"' in content:
        _check_normalizers(json_object(content, path).get("normalizer"), path)
    try:
        return Tokenizer.from_buffer(content)
    except (KeyboardInterrupt, SystemExit):
        raise
    # The library raises bare Exception for whatever it does not like, and a panic for what it did not expect.
    except BaseException as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelFormatError(f"{path} is not a tokenizer.json: {reason}", HINT) from None


def _check_normalizers(normalizer: Any, path: Path) -> None:
    """Look at what the library would follow without looking."""
    for step in _steps(normalizer):
        if step.get("type") == "Precompiled":
            try:
                charsmap.check(b64decode(step.get("precompiled_charsmap") or ""))
            except (ValueError, TypeError) as error:
                raise ModelFormatError(f"{path}: normalizer: precompiled_charsmap: {error}", HINT) from None


def _steps(normalizer: Any) -> Iterator[dict[str, Any]]:
    if isinstance(normalizer, dict):
        yield normalizer
        for inner in normalizer.get("normalizers") or ():
            yield from _steps(inner)
