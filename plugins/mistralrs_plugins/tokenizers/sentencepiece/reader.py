"""A SentencePiece model as a tokenizer, with the tokens that were added to it since."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mistralrs.errors import ModelFormatError
from mistralrs.textkit.cache import cached
from mistralrs.textkit.files import HINT, json_object, read_bytes
from mistralrs.textkit.pieces import Pieces, pair_tokenizer, unigram_tokenizer
from mistralrs.textkit.special import surround
from mistralrs_plugins.tokenizers.sentencepiece.model import SentencePieceModel, parse_model

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CONFIG = "tokenizer_config.json"
UNIGRAM = 1


def open_tokenizer(path: Path, beside: Mapping[str, Path]) -> Tokenizer:
    """Read the file, and tokens added later from tokenizer_config.json beside it.

    A text gets the begin token before it unless the configuration says otherwise. Raises
    :class:`~mistralrs.errors.ModelFormatError` naming the file and the field at fault.
    """
    content = read_bytes(path)
    settings = beside.get(CONFIG)
    more = b"" if settings is None else read_bytes(settings)
    config = {} if settings is None else json_object(more, settings)
    added = _added(config, settings)
    key = b"sentencepiece\0" + content + b"\0" + more
    return cached(key, lambda: _build(parse_model(content, str(path)), config, added, settings))


def _build(
    model: SentencePieceModel,
    config: Mapping[str, Any],
    added: Mapping[int, tuple[str, bool]],
    settings: Path | None,
) -> Tokenizer:
    from tokenizers import AddedToken

    pieces = Pieces(
        tokens=model.tokens,
        index=model.index,
        scores=model.scores,
        kinds=model.kinds,
        unk=model.unk,
        byte_fallback=model.byte_fallback,
        add_space_prefix=model.add_space_prefix,
        remove_extra_spaces=model.remove_extra_spaces,
        charsmap=model.charsmap,
    )
    try:
        tokenizer = (unigram_tokenizer if model.model_type == UNIGRAM else pair_tokenizer)(pieces)
    except Exception:  # the library raises it bare
        model.fail("its pieces do not fit together")
    size = len(model.tokens)
    later = sorted(number for number in added if number >= size)
    if later and later != list(range(size, size + len(later))):
        raise ModelFormatError(f"{settings}: added_tokens_decoder: ids do not follow the {size} of the model", HINT)
    texts = [added[number] for number in later]
    tokenizer.add_tokens([AddedToken(text, special=hidden, normalized=False) for text, hidden in texts])
    wanted = {"bos": config.get("add_bos_token", True), "eos": config.get("add_eos_token", False)}
    before, after = (
        number if wanted[role] is True and number >= 0 else None
        for role, number in (("bos", model.bos), ("eos", model.eos))
    )
    surround(tokenizer, before, after)
    return tokenizer


def _added(config: Mapping[str, Any], settings: Path | None) -> dict[int, tuple[str, bool]]:
    listed = config.get("added_tokens_decoder")
    found: dict[int, tuple[str, bool]] = {}
    for key, token in (listed if isinstance(listed, dict) else {}).items():
        text = token.get("content") if isinstance(token, dict) else None
        if not isinstance(text, str) or not text or not (key.isascii() and key.isdigit() and len(key) < 10):
            raise ModelFormatError(f"{settings}: added_tokens_decoder: {key[:40]!r} is no token's id", HINT)
        found[int(key)] = (text, bool(token.get("special")))
    return found
