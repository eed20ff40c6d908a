"""The tokenizer of a LLaMA file from before GGUF: SentencePiece's pieces with their scores, and nothing about kinds."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from mistralrs.errors import ModelFormatError
from mistralrs.textkit.cache import cached
from mistralrs.textkit.pieces import SPACE_MARK, Pieces, pair_tokenizer
from mistralrs.textkit.special import BYTE, CONTROL, NORMAL, UNKNOWN, surround
from mistralrs_plugins.formats.ggml.header import Header

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Their texts are not in the files.
SPECIAL = (("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL))
BYTES = range(len(SPECIAL), len(SPECIAL) + 256)
HINT = "give the model's tokenizer with --tokenizer FILE or --tok-model-id"


def build_tokenizer(header: Header, file: str) -> Tokenizer:
    """The tokenizer, from the cache if the same was built before.

    Raises :class:`~mistralrs.errors.ModelFormatError` for tokens that are no text or not all different.
    """
    listed = [_piece(number, token, file) for number, token in enumerate(header.tokens)]
    tokens, kinds = [text for text, _ in listed], [kind for _, kind in listed]
    index = {token: number for number, token in enumerate(tokens)}
    if len(index) != len(tokens) or len(tokens) <= len(SPECIAL):
        raise ModelFormatError(f"{file}: vocabulary: tokens are given twice, or missing", HINT)
    if not all(map(isfinite, header.scores)):
        raise ModelFormatError(f"{file}: vocabulary: a score is not a finite number", HINT)

    def build() -> Tokenizer:
        pieces = Pieces(tokens=tokens, index=index, scores=header.scores, kinds=kinds, unk=0, byte_fallback=True)
        tokenizer = pair_tokenizer(pieces)
        surround(tokenizer, 1, None)
        return tokenizer

    return cached(b"ggml\0" + repr((header.tokens, header.scores)).encode(), build)


def _piece(number: int, token: bytes, file: str) -> tuple[str, int]:
    """Text and kind of a token, as llama.cpp's converter to GGUF tells them."""
    if number < len(SPECIAL):
        return SPECIAL[number]
    if not token:
        return f"[EMPTY_{number}]", CONTROL
    if number in BYTES and len(token) == 1:
        return f"<0x{token[0]:02X}>", BYTE
    try:
        return token.decode().replace(" ", SPACE_MARK), NORMAL
    except UnicodeDecodeError:
        raise ModelFormatError(f"{file}: vocabulary: token {number} is not UTF-8", HINT) from None
