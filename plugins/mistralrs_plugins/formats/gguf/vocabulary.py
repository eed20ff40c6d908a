"""The vocabulary in a GGUF file's metadata, checked: token texts, kinds, scores, and the ids of special roles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, NoReturn

from mistralrs.errors import ModelFormatError
from mistralrs.textkit.special import CONTROL, NORMAL
from mistralrs_plugins.formats.gguf.codes import STRING
from mistralrs_plugins.formats.gguf.metadata import Metadata

PREFIX = "tokenizer.ggml."
TOKENS = f"{PREFIX}tokens"
HINT = "the file was converted wrongly: convert it again, or give a tokenizer.json"

# Marks of a turn's end. Some converters wrote them as normal tokens, which a prompt's text would never become.
TURN_ENDS = frozenset({"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|eom_id|>"})


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Token texts by id and ids by text, the kind of each, and what is put around a text.

    ``scores`` is empty if the file has none.
    """

    file: str
    tokens: list[str]
    index: dict[str, int]
    kinds: list[int]
    scores: list[float]
    bos: int | None
    eos: int | None
    unk: int | None
    sep: int | None
    add_bos: bool
    add_eos: bool

    def fail(self, key: str, problem: str) -> NoReturn:
        """Raise :class:`ModelFormatError` about a key of this vocabulary."""
        fail(self.file, key, problem)


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a tokenizer model implies where the metadata is silent."""

    bos: int | None = None
    eos: int | None = None
    unk: int | None = None
    sep: int | None = None
    add_bos: bool = False
    add_eos: bool = False


def read_vocabulary(metadata: Mapping[str, Any], file: str, defaults: Defaults) -> Vocabulary:
    """Collect and check the vocabulary. Raises :class:`~mistralrs.errors.ModelFormatError` naming the key at fault."""
    size = vocabulary_size(metadata, file)
    # Texts must differ to have an id; converters fill unused places with empty ones.
    tokens = [token or f"[EMPTY_{number}]" for number, token in enumerate(typed_list(metadata, "tokens", (str,), file))]
    index = {token: number for number, token in enumerate(tokens)}
    if len(index) != size:
        repeated = Counter(tokens).most_common(1)[0][0]
        fail(file, TOKENS, f"the token {repeated[:80]!r} is given twice")
    kinds = list(typed_list(metadata, "token_type", (int,), file, size)) or [NORMAL] * size
    for token in TURN_ENDS & index.keys():
        kinds[index[token]] = CONTROL
    scores = [float(score) for score in typed_list(metadata, "scores", (float, int), file, size)]
    if not all(map(isfinite, scores)):
        fail(file, f"{PREFIX}scores", "a score is not a finite number")
    stated = {"bos": defaults.bos, "eos": defaults.eos, "unknown": defaults.unk, "seperator": defaults.sep}
    bos, eos, unk, sep = (_role(metadata, key, size, file, default) for key, default in stated.items())
    vocabulary = Vocabulary(
        file=file,
        tokens=tokens,
        index=index,
        kinds=kinds,
        scores=scores,
        bos=bos,
        eos=eos,
        unk=unk,
        sep=sep,
        add_bos=flag(metadata, "add_bos_token", defaults.add_bos, file),
        add_eos=flag(metadata, "add_eos_token", defaults.add_eos, file),
    )
    for wanted, role, number in ((vocabulary.add_bos, "bos", bos), (vocabulary.add_eos, "eos", eos)):
        if wanted and number is None:
            fail(file, f"{PREFIX}{role}_token_id", f"missing, but a text is to be put after or before a {role} token")
    return vocabulary


def vocabulary_size(metadata: Mapping[str, Any], file: str) -> int:
    """Number of tokens; 0 when the file has no vocabulary. Of a file's own metadata none is decoded for it."""
    place = metadata.place(TOKENS) if isinstance(metadata, Metadata) else None
    if place is not None and place.kind == STRING and place.count is not None:
        return place.count
    return len(typed_list(metadata, "tokens", (str,), file))


def typed_list(
    metadata: Mapping[str, Any], name: str, kinds: tuple[type, ...], file: str, size: int | None = None
) -> list[Any]:
    """The array ``tokenizer.ggml.<name>``, empty if absent. Arrays have one element type, so one element tells it."""
    key = f"{PREFIX}{name}"
    if key not in metadata:
        return []
    value = metadata[key]
    wanted = " or ".join(kind.__name__ for kind in kinds)
    if not isinstance(value, list) or (value and type(value[0]) not in kinds):
        fail(file, key, f"must be an array of {wanted}")
    if size is not None and len(value) != size:
        fail(file, key, f"has {len(value)} entries for {size} tokens")
    return value


def flag(metadata: Mapping[str, Any], name: str, default: bool, file: str) -> bool:
    """The switch ``tokenizer.ggml.<name>``."""
    value = metadata.get(f"{PREFIX}{name}", default)
    if not isinstance(value, bool):
        fail(file, f"{PREFIX}{name}", "must be a bool")
    return value


def token_id(metadata: Mapping[str, Any], key: str, size: int, file: str) -> int | None:
    """A token id by its full key; None if absent."""
    value = metadata.get(key)
    if value is None:
        return None
    if type(value) is not int:
        fail(file, key, "must be an integer")
    if not 0 <= value < size:
        fail(file, key, f"token id {value} is outside the vocabulary of {size}")
    return value


def fail(file: str, key: str, problem: str) -> NoReturn:
    """Raise :class:`ModelFormatError` about a key."""
    raise ModelFormatError(f"{file}: key {key!r}: {problem}", HINT)


def _role(metadata: Mapping[str, Any], role: str, size: int, file: str, default: int | None) -> int | None:
    found = token_id(metadata, f"{PREFIX}{role}_token_id", size, file)
    if found is None and default is not None and default < size:
        return default
    return found
