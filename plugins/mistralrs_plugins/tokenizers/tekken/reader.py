"""``tekken.json``: special tokens first, then byte-pair tokens by rank (mistral-common's Tekkenizer)."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mistralrs.errors import ModelFormatError
from mistralrs.textkit.bytelevel import from_ranks
from mistralrs.textkit.cache import cached
from mistralrs.textkit.files import HINT, json_object, read_bytes
from mistralrs.textkit.special import CONTROL, USER_DEFINED, add_by_kind, surround

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MAX_PATTERN_CHARS = 4096
BEGIN = "<s>"

# Of files that are older than the list of special tokens in them.
# fmt: off
UNLISTED = (
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]",
    "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
)
# fmt: on


def open_tokenizer(path: Path, beside: Mapping[str, Path]) -> Tokenizer:
    """Read the file. Raises :class:`~mistralrs.errors.ModelFormatError` naming it and the field at fault."""
    content = read_bytes(path)
    return cached(b"tekken\0" + content, lambda: _Reader(json_object(content, path), path).build())


class _Reader:
    def __init__(self, data: dict[str, Any], path: Path) -> None:
        self._data = data
        self._path = path

    def build(self) -> Tokenizer:
        config = self._typed(self._data, "config", dict)
        pattern = self._typed(config, "pattern", str, "config.")
        first = self._typed(config, "default_num_special_tokens", int, "config.")
        size = self._typed(config, "default_vocab_size", int, "config.")
        vocabulary = self._typed(self._data, "vocab", list)
        if len(pattern) > MAX_PATTERN_CHARS:
            self._fail("config.pattern", f"has {len(pattern)} characters; {MAX_PATTERN_CHARS} are the most")
        if not 0 <= first <= size <= first + len(vocabulary):
            self._fail("config.default_vocab_size", f"is {size}: {first} special tokens and {len(vocabulary)} others")
        # Places without a special token are filled, so they are bounded by what else the file holds.
        if first > len(vocabulary):
            self._fail("config.default_num_special_tokens", f"is {first}, more than the vocabulary")
        special, kinds = self._special(first)
        ranked = self._ranked(vocabulary[: size - first])
        try:
            tokenizer = from_ranks(ranked, pattern, before=special)
        except ValueError:
            self._fail("config.pattern", "is no regular expression")
        add_by_kind(tokenizer, special, kinds)
        surround(tokenizer, special.index(BEGIN) if BEGIN in special else None, None)
        return tokenizer

    def _special(self, count: int) -> tuple[list[str], list[int]]:
        """Texts and kinds of the special tokens by id, gaps filled."""
        listed = self._data.get("special_tokens")
        if listed is None:
            listed = [{"rank": rank, "token_str": text} for rank, text in enumerate(UNLISTED)]
        if not isinstance(listed, list):
            self._fail("special_tokens", "must be a list")
        texts = [f"<SPECIAL_{number}>" for number in range(count)]
        kinds = [CONTROL] * count
        for place, token in enumerate(listed):
            where = f"special_tokens[{place}]."
            rank = self._typed(token, "rank", int, where)
            text = self._typed(token, "token_str", str, where)
            if not 0 <= rank < count or not text:
                self._fail(f"{where}rank", f"token {text[:40]!r} has the id {rank}, of {count}")
            texts[rank] = text
            if token.get("is_control") is False:
                kinds[rank] = USER_DEFINED
        if len(set(texts)) != count:
            self._fail("special_tokens", "a token is given twice")
        return texts, kinds

    def _ranked(self, vocabulary: list[Any]) -> list[bytes]:
        ranked: list[bytes] = []
        for place, token in enumerate(vocabulary):
            if self._typed(token, "rank", int, f"vocab[{place}].") != place:
                self._fail(f"vocab[{place}].rank", "ranks must count from 0")
            try:
                ranked.append(b64decode(self._typed(token, "token_bytes", str, f"vocab[{place}]."), validate=True))
            except ValueError:
                self._fail(f"vocab[{place}].token_bytes", "is not base64")
        if len(set(ranked)) != len(ranked) or b"" in ranked:
            self._fail("vocab", "a token is empty or given twice")
        if {bytes([value]) for value in range(256)} - set(ranked):
            self._fail("vocab", "a single byte has no token")
        return ranked

    def _typed(self, table: Any, name: str, kind: type, where: str = "") -> Any:
        value = table.get(name) if isinstance(table, dict) else None
        if type(value) is not kind:
            self._fail(f"{where}{name}", f"must be of type {kind.__name__}")
        return value

    def _fail(self, field: str, problem: str) -> NoReturn:
        raise ModelFormatError(f"{self._path}: {field}: {problem}", HINT)
