"""Turns tokens into text as they come, and stops at stop strings.

The pieces put together are exactly what decoding all tokens at once gives, and no piece ends inside a character.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Sequence
from typing import Any, Protocol

from tokenizers import Tokenizer

from mistralrs.engine.stops import StopMatcher

REPLACEMENT = "\ufffd"
LONGEST_CHARACTER = 4
"""Bytes of the longest UTF-8 character: so many tokens at most can be waiting for its end."""

_BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>")


class TokenStream(Protocol):
    """The text of one answer, piece by piece."""

    def push(self, token: int) -> str:
        """Take one more token, return the text that is certain now."""

    def flush(self) -> str:
        """The rest, when no more tokens will come."""


class TokenDecoder:
    """What all streams of one tokenizer share. None as tokenizer gives streams without text."""

    def __init__(self, tokenizer: Tokenizer | None) -> None:
        self._tokenizer = tokenizer
        self._is_byte_level = tokenizer is not None and _decoder_steps(tokenizer) == ["ByteLevel"]
        self._pieces: dict[bool, dict[int, str | bytes]] = {True: {}, False: {}}
        self._special: frozenset[int] = frozenset()
        self._anchor: list[int] = []
        if tokenizer is not None:
            added = tokenizer.get_added_tokens_decoder()
            self._special = frozenset(token for token, info in added.items() if info.special)
            self._anchor = _find_anchor(tokenizer)

    def stream(self, *, skip_special_tokens: bool = True) -> TokenStream:
        """A stream for one answer; special tokens are shown only if they are not skipped."""
        if self._tokenizer is None:
            return _SilentStream()
        special = self._special if skip_special_tokens else frozenset()
        if self._is_byte_level:
            return _ByteLevelStream(self._tokenizer, special, self._pieces[skip_special_tokens])
        return _WindowStream(self._tokenizer, special, self._anchor)

    def token_bytes(self, token: int) -> bytes:
        """The bytes of one token by itself, special tokens included; maybe not a whole character."""
        if self._tokenizer is None:
            return b""
        if self._is_byte_level:
            return _ByteLevelStream(self._tokenizer, frozenset(), {}).piece(token)
        text = self._tokenizer.id_to_token(token) or ""
        if _BYTE_TOKEN.fullmatch(text):
            return bytes([int(text[3:5], 16)])
        before = self._tokenizer.decode(self._anchor, skip_special_tokens=False)
        both = self._tokenizer.decode([*self._anchor, token], skip_special_tokens=False)
        return both[len(before) :].encode("utf-8", "surrogatepass")


class _SilentStream:
    def push(self, token: int) -> str:
        return ""

    def flush(self) -> str:
        return ""


class _ByteLevelStream:
    """Byte-level BPE: every token is a piece of UTF-8, whatever stands around it.

    ``pieces`` keeps what was found out about tokens: text when it is whole characters, else bytes.
    """

    def __init__(self, tokenizer: Tokenizer, special: frozenset[int], pieces: dict[int, str | bytes]) -> None:
        self._tokenizer = tokenizer
        self._special = special
        self._pieces = pieces
        self._utf8 = codecs.getincrementaldecoder("utf-8")("replace")
        self._is_between = True  # characters, so that a piece in whole characters can be shown as it is

    def push(self, token: int) -> str:
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._whole(self.piece(token))
        if isinstance(piece, str):
            if self._is_between:
                return piece
            piece = piece.encode()
        text = self._utf8.decode(piece)
        self._is_between = not self._utf8.getstate()[0]
        return text

    def flush(self) -> str:
        self._is_between = True
        return self._utf8.decode(b"", final=True)

    @staticmethod
    def _whole(piece: bytes) -> str | bytes:
        try:
            return piece.decode()
        except UnicodeDecodeError:
            return piece

    def piece(self, token: int) -> bytes:
        """The bytes of one token."""
        text = None if token in self._special else self._tokenizer.id_to_token(token)
        if text is None:
            return b""
        try:
            return bytes(_BYTE_OF[char] for char in text)
        except KeyError:  # an added token, in plain text
            return text.encode("utf-8", "surrogatepass")


class _WindowStream:
    """Any other decoder, SentencePiece with byte fallback above all: decodes new tokens behind the last one.

    Such decoders treat the first token of a text differently and merge runs of byte tokens; otherwise a token's text
    depends on its neighbour at most. So each piece is the difference between decoding a short window with and
    without the new tokens. A run of byte tokens is decoded when it is over: one wrong byte turns all of it into
    replacement characters.
    """

    def __init__(self, tokenizer: Tokenizer, special: frozenset[int], anchor: list[int]) -> None:
        self._tokenizer = tokenizer
        self._special = special
        self._anchor = anchor
        self._window: list[int] = []
        self._held: list[int] = []

    def push(self, token: int) -> str:
        text = None if token in self._special else self._tokenizer.id_to_token(token)
        if text is None:
            return ""
        self._held.append(token)
        if _BYTE_TOKEN.fullmatch(text):
            return ""
        return self._take(final=False)

    def flush(self) -> str:
        return self._take(final=True)

    def _take(self, *, final: bool) -> str:
        before = self._decode(self._window)
        text = self._decode(self._window + self._held)[len(before) :]
        if text.endswith(REPLACEMENT) and len(self._held) < LONGEST_CHARACTER and not final:
            return ""
        if self._held:
            self._window = [*self._anchor, self._held[-1]]
            self._held = []
        return text

    def _decode(self, tokens: Sequence[int]) -> str:
        return self._tokenizer.decode(tokens, skip_special_tokens=False) if tokens else ""


class OutputText:
    """The text of one answer up to its stop string. ``stop`` is that string once it was found."""

    def __init__(self, stream: TokenStream, stops: Sequence[str]) -> None:
        self._stream = stream
        self._stops = StopMatcher(stops)

    @property
    def stop(self) -> str | None:
        """The stop string that ended the text."""
        return self._stops.stop

    def push(self, token: int) -> str:
        """Take one more token, return the text that is certain now."""
        return self._stops.push(self._stream.push(token))

    def finish(self) -> str:
        """The rest of the text, when no more tokens will come."""
        return self._stops.push(self._stream.flush()) + self._stops.flush()


def _decoder_steps(tokenizer: Tokenizer) -> list[str]:
    """The names of the steps of the tokenizer's decoder, as in ``tokenizer.json``."""
    if tokenizer.decoder is None:
        return []
    state: dict[str, Any] = json.loads(tokenizer.decoder.__getstate__())
    return [step["type"] for step in state.get("decoders", [state])]


def _find_anchor(tokenizer: Tokenizer) -> list[int]:
    """An ordinary token to put in front of others, so that they are not decoded as the first of a text."""
    ids = tokenizer.encode("a", add_special_tokens=False).ids
    plain = [token for token in ids if not _BYTE_TOKEN.fullmatch(tokenizer.id_to_token(token) or "")]
    return plain[-1:]


def _byte_of_character() -> dict[str, int]:
    """GPT-2's alphabet: printable bytes stand for themselves, the others for the characters from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(others)}


_BYTE_OF = _byte_of_character()
