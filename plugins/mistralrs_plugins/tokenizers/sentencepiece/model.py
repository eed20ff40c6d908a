"""A SentencePiece model file, read and checked (``sentencepiece_model.proto``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import NoReturn

from mistralrs.errors import ModelFormatError
from mistralrs.textkit import charsmap
from mistralrs.textkit.special import BYTE, NORMAL
from mistralrs_plugins.tokenizers.sentencepiece.wire import as_float, as_int, as_message, as_text, fields

# Field numbers: of the model, of a piece, of the trainer's and of the normalizer's settings.
PIECE, TRAINER, NORMALIZER = 1, 2, 3
TEXT, SCORE, KIND = 1, 2, 3
MODEL_TYPE, TREAT_AS_SUFFIX, BYTE_FALLBACK, UNK, BOS, EOS = 3, 24, 35, 40, 41, 42
CHARSMAP, DUMMY_PREFIX, REMOVE_EXTRA, ESCAPE = 2, 3, 4, 5

MODEL_TYPES = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}
HINT = "the file is damaged or something else: fetch it again, or give a tokenizer.json"


@dataclass(slots=True)
class SentencePieceModel:
    """What a file says: texts, scores and kinds by id, and settings. Defaults are those of the format."""

    file: str
    tokens: list[str] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    model_type: int = 1
    byte_fallback: bool = False
    unk: int = 0
    bos: int = 1
    eos: int = 2
    charsmap: bytes = b""
    add_space_prefix: bool = True
    remove_extra_spaces: bool = True
    space_is_suffix: bool = False
    escape_spaces: bool = True

    def fail(self, problem: str, hint: str = HINT) -> NoReturn:
        """Raise :class:`ModelFormatError` about this file."""
        raise ModelFormatError(f"{self.file}: {problem}", hint)

    @property
    def index(self) -> Mapping[str, int]:
        """Ids by text."""
        return {token: number for number, token in enumerate(self.tokens)}


def parse_model(content: bytes, file: str) -> SentencePieceModel:
    """Read the bytes of a model; ``file`` is its name for messages.

    Raises :class:`~mistralrs.errors.ModelFormatError` naming the field that is wrong or not supported.
    """
    model = SentencePieceModel(file)
    subject = "model"
    try:
        for number, value in fields(memoryview(content)):
            if number == PIECE:
                subject = f"piece {len(model.tokens)}"
                _read_piece(model, as_message(value))
            elif number == TRAINER:
                subject = "trainer_spec"
                _read_trainer(model, as_message(value))
            elif number == NORMALIZER:
                subject = "normalizer_spec"
                _read_normalizer(model, as_message(value))
            subject = "model"
    except UnicodeDecodeError:
        model.fail(f"{subject}: not UTF-8")
    except ValueError as error:
        model.fail(f"{subject}: {error}")
    _check(model)
    return model


def _read_piece(model: SentencePieceModel, message: memoryview) -> None:
    text, score, kind = "", 0.0, NORMAL
    for number, value in fields(message):
        if number == TEXT:
            text = as_text(value)
        elif number == SCORE:
            score = as_float(value)
        elif number == KIND:
            kind = as_int(value)
    if not NORMAL <= kind <= BYTE:
        raise ValueError(f"type {kind} is not known")
    model.tokens.append(text or f"[EMPTY_{len(model.tokens)}]")
    model.scores.append(score)
    model.kinds.append(kind)


def _read_trainer(model: SentencePieceModel, message: memoryview) -> None:
    for number, value in fields(message):
        if number == MODEL_TYPE:
            model.model_type = as_int(value)
        elif number == TREAT_AS_SUFFIX:
            model.space_is_suffix = bool(as_int(value))
        elif number == BYTE_FALLBACK:
            model.byte_fallback = bool(as_int(value))
        elif number in (UNK, BOS, EOS):
            setattr(model, {UNK: "unk", BOS: "bos", EOS: "eos"}[number], as_int(value))


def _read_normalizer(model: SentencePieceModel, message: memoryview) -> None:
    for number, value in fields(message):
        if number == CHARSMAP:
            model.charsmap = bytes(as_message(value))
            try:
                charsmap.check(model.charsmap)
            except ValueError as error:
                raise ValueError(f"precompiled_charsmap: {error}") from None
        elif number == DUMMY_PREFIX:
            model.add_space_prefix = bool(as_int(value))
        elif number == REMOVE_EXTRA:
            model.remove_extra_spaces = bool(as_int(value))
        elif number == ESCAPE:
            model.escape_spaces = bool(as_int(value))


def _check(model: SentencePieceModel) -> None:
    size = len(model.tokens)
    if not size:
        model.fail("holds no pieces")
    if len(set(model.tokens)) != size:
        repeated = Counter(model.tokens).most_common(1)[0][0]
        model.fail(f"the piece {repeated[:80]!r} is given twice")
    if not all(map(isfinite, model.scores)):
        model.fail(
            f"piece {[isfinite(score) for score in model.scores].index(False)}: its score is not a finite number"
        )
    if not 0 <= model.unk < size:
        model.fail(f"trainer_spec: unk_id {model.unk} is outside the vocabulary of {size}")
    for role in ("bos", "eos"):  # -1 says there is none
        number = getattr(model, role)
        if number >= size:
            model.fail(f"trainer_spec: {role}_id {number} is outside the vocabulary of {size}")
    if model.model_type not in (1, 2):
        kind = MODEL_TYPES.get(model.model_type, model.model_type)
        model.fail(f"trainer_spec: model type {kind} is not supported", "bpe and unigram are; or give a tokenizer.json")
    if model.space_is_suffix or not model.escape_spaces:
        model.fail("spaces are written in a way that is not supported", "give a tokenizer.json")
