"""A tiktoken vocabulary: a token in base64 and its rank on each line."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mistralrs.errors import ModelFormatError
from mistralrs.textkit.bytelevel import from_ranks
from mistralrs.textkit.cache import cached
from mistralrs.textkit.files import HINT, json_object, read_bytes
from mistralrs.textkit.special import surround
from mistralrs_plugins.tokenizers.tiktoken.families import FAMILIES, Family

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CONFIG = "tokenizer_config.json"
# Ids of special tokens may leave gaps, which are filled; a lying id must not fill memory.
MAX_SPECIAL = 4096


def open_tokenizer(path: Path, beside: Mapping[str, Path]) -> Tokenizer:
    """Read the file, and its special tokens from tokenizer_config.json beside it.

    Raises :class:`~mistralrs.errors.ModelFormatError` naming the file and the line or field at fault.
    """
    content = read_bytes(path)
    settings = beside.get(CONFIG)
    more = b"" if settings is None else read_bytes(settings)
    config = {} if settings is None else json_object(more, settings)
    return cached(b"tiktoken\0" + content + b"\0" + more, lambda: _build(content, path, config, settings))


def _build(content: bytes, path: Path, config: Mapping[str, Any], settings: Path | None) -> Tokenizer:
    from tokenizers import AddedToken

    ranked = _ranked(content, path)
    family = FAMILIES.get(len(ranked))
    if family is None:
        known = ", ".join(f"{known.name} with {count}" for count, known in FAMILIES.items())
        raise ModelFormatError(
            f"{path}: no known family has {len(ranked)} ranks, and the file does not say how text is cut",
            f"known: {known}; or give a tokenizer.json",
        )
    special = _special(config, settings, family, len(ranked))
    tokenizer = from_ranks(ranked, family.pattern)
    last = max(special, default=len(ranked) - 1)
    listed = [special.get(number, (f"<|reserved_{number}|>", True)) for number in range(len(ranked), last + 1)]
    tokenizer.add_tokens([AddedToken(text, special=hidden, normalized=False) for text, hidden in listed])
    ids = {text: number for number, (text, _) in special.items()}
    surround(tokenizer, *(_around(config, role, ids) for role in ("bos", "eos")))
    return tokenizer


def _ranked(content: bytes, path: Path) -> list[bytes]:
    ranked: list[bytes] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            text, rank = line.split()
            token, place = b64decode(text, validate=True), int(rank)
        except ValueError:
            raise ModelFormatError(f"{path}: line {number} is no token in base64 with a rank", HINT) from None
        if place != len(ranked):
            raise ModelFormatError(f"{path}: line {number}: rank {place} where {len(ranked)} is next", HINT)
        ranked.append(token)
    if not ranked:
        raise ModelFormatError(f"{path} holds no tokens", HINT)
    if len(set(ranked)) != len(ranked) or b"" in ranked:
        raise ModelFormatError(f"{path}: a token is empty or given twice", HINT)
    if {bytes([value]) for value in range(256)} - set(ranked):
        raise ModelFormatError(f"{path}: a single byte has no token", HINT)
    return ranked


def _special(
    config: Mapping[str, Any], settings: Path | None, family: Family, first: int
) -> dict[int, tuple[str, bool]]:
    """Special tokens by id: text, and whether it is hidden from answers."""
    listed = config.get("added_tokens_decoder")
    if not isinstance(listed, dict):
        return {number: (text, True) for number, text in family.special.items()}
    found: dict[int, tuple[str, bool]] = {}
    for key, token in listed.items():
        text = token.get("content") if isinstance(token, dict) else None
        number = int(key) if key.isascii() and key.isdigit() and len(key) < 10 else -1
        if not isinstance(text, str) or not text or not first <= number < first + MAX_SPECIAL:
            raise ModelFormatError(f"{settings}: added_tokens_decoder: {key[:40]!r} is no special token's id", HINT)
        found[number] = (text, bool(token.get("special")))
    if len({text for text, _ in found.values()}) != len(found):
        raise ModelFormatError(f"{settings}: added_tokens_decoder: a token is given twice", HINT)
    return found


def _around(config: Mapping[str, Any], role: str, ids: Mapping[str, int]) -> int | None:
    """The id to put before or after a text, if the configuration wants one."""
    token = config.get(f"{role}_token")
    text = token.get("content") if isinstance(token, dict) else token
    return ids.get(text) if config.get(f"add_{role}_token") is True and isinstance(text, str) else None
