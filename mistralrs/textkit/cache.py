"""Built tokenizers, kept between starts by the digest of what they were built from.

A large byte-pair vocabulary takes seconds to turn into merges. An entry holds the vocabulary and the merges as lists,
which the library takes several times faster than its own JSON: three parts, of which the first two have their sizes in
front. JSON of all the rest, the tokens with a zero byte between them, and the merges as pairs of numbers of 32 bits.
Each entry begins with a checksum over its key and content: a damaged or misplaced one is built again. What others may
write is not read, and the oldest entries go first.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import struct
import tempfile
from array import array
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mistralrs.checkpoint import oldest_first

if TYPE_CHECKING:
    from tokenizers import Tokenizer

log = logging.getLogger(__name__)

KEPT = 16
ENV_CACHE = "MISTRALRS_CACHE"
# Smaller ones are built faster than they are looked up.
LEAST_TOKENS = 10_000
MAX_BYTES = 256 << 20
_VERSION = b"2"
_CHECKSUM_BYTES = 32
_SIZES = struct.Struct("<QQ")
_BETWEEN = "\0"


def cached(content: bytes, build: Callable[[], Tokenizer]) -> Tokenizer:
    """The tokenizer that ``build`` makes, from the cache if it was made from the same ``content`` before.

    ``content`` must hold everything ``build`` reads, or a digest of it. Whatever ``build`` raises passes through.
    """
    import tokenizers

    key = hashlib.sha256(b"\0".join((_VERSION, tokenizers.__version__.encode(), content))).hexdigest()
    path = _folder() / f"{key}.tokenizer"
    stored = _read(path, key)
    restored = None if stored is None else _restore(stored)
    if restored is not None:
        return restored
    tokenizer = build()
    whole = tokenizer.to_str()
    taken_apart = _take_apart(whole)
    if taken_apart is not None:
        again = _restore(taken_apart)
        if again is not None and again.to_str() == whole:  # only what comes back the same is kept
            _write(path, key, taken_apart)
    return tokenizer


def _folder() -> Path:
    from platformdirs import user_cache_path

    base = os.environ.get(ENV_CACHE)
    return (Path(base).expanduser() if base else user_cache_path("mistralrs")) / "tokenizers"


def _take_apart(tokenizer: str) -> bytes | None:
    """A byte-pair tokenizer as lists; None for one that is not worth it or has holes in its numbers."""
    state: dict[str, Any] = json.loads(tokenizer)
    model = state["model"]
    if model["type"] != "BPE" or len(model["vocab"]) < LEAST_TOKENS:
        return None
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    if model["vocab"][tokens[-1]] != len(tokens) - 1:
        return None
    numbers = model.pop("vocab")
    merges = array("I", [numbers[token] for pair in model.pop("merges") for token in pair])
    rest, texts = json.dumps(state).encode(), _BETWEEN.join(tokens).encode()
    return _SIZES.pack(len(rest), len(texts)) + rest + texts + merges.tobytes()


def _restore(stored: bytes) -> Tokenizer | None:
    """The tokenizer of an entry, or None if this version of the library cannot make it."""
    try:
        return _put_together(stored)
    except Exception as error:  # the library raises it bare
        log.info("a tokenizer cannot be kept: %s", error)
        return None


def _put_together(stored: bytes) -> Tokenizer:
    from tokenizers import AddedToken, Tokenizer, models

    rest_size, texts_size = _SIZES.unpack_from(stored)
    rest_end = _SIZES.size + rest_size
    shell: dict[str, Any] = json.loads(stored[_SIZES.size : rest_end])
    tokens = stored[rest_end : rest_end + texts_size].decode().split(_BETWEEN)
    numbers = array("I", stored[rest_end + texts_size :])
    options = {name: value for name, value in shell["model"].items() if name != "type" and value is not None}
    added = shell["added_tokens"]
    shell = {**shell, "added_tokens": [], "model": {**shell["model"], "unk_token": None, "vocab": {}, "merges": []}}
    tokenizer = Tokenizer.from_str(json.dumps(shell))
    texts = map(tokens.__getitem__, numbers)
    merges = list(zip(texts, texts, strict=True))
    tokenizer.model = models.BPE(dict(zip(tokens, range(len(tokens)), strict=True)), merges, **options)
    tokenizer.add_tokens([_added(AddedToken, token) for token in added])
    return tokenizer


def _added(make: Callable[..., Any], token: dict[str, Any]) -> Any:
    content, special = token.pop("content"), token.pop("special")
    token.pop("id")
    return make(content, special=special, **token)


def _read(path: Path, key: str) -> bytes | None:
    """The entry, or None when there is none, it is damaged, or somebody else could have written it."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.geteuid() or status.st_mode & 0o022 or status.st_size > MAX_BYTES:
                log.warning("the tokenizer %s in the cache may have been written by others; it is not used", path.name)
                return None
            data = file.read()
    except OSError:
        return None
    checksum, content = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
    if hashlib.sha256(key.encode() + content).digest() == checksum:
        with suppress(OSError):
            os.utime(path)
        return content
    log.warning("the tokenizer %s in the cache is damaged; it is built again", path.name)
    return None


def _write(path: Path, key: str, content: bytes) -> None:
    """Keep an entry, all or nothing. A cache that cannot be written costs time at the next start, no more."""
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
        with os.fdopen(handle, "wb") as out:
            out.write(hashlib.sha256(key.encode() + content).digest() + content)
        os.replace(part, path)
        for old in oldest_first(path.parent.glob("*.tokenizer"))[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError as error:
        log.info("built tokenizers are not kept in %s: %s", path.parent, error.strerror)
        if part is not None:
            with suppress(OSError):
                os.unlink(part)
