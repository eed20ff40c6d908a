"""SentencePiece vocabularies as tokenizers: byte-pair encoding by score, and unigram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mistralrs.textkit.merges import implied_merges
from mistralrs.textkit.special import NORMAL, UNUSED, USER_DEFINED, add_by_kind

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# SentencePiece writes a space as this mark, so that pieces hold no blanks.
SPACE_MARK = "\u2581"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """A SentencePiece vocabulary: texts, scores and kinds by id, all of one length, the texts all different.

    ``charsmap`` is the compiled normalization, which must have passed :func:`~mistralrs.textkit.charsmap.check`.
    """

    tokens: Sequence[str]
    index: Mapping[str, int]
    scores: Sequence[float]
    kinds: Sequence[int]
    unk: int | None
    byte_fallback: bool
    add_space_prefix: bool = True
    remove_extra_spaces: bool = False
    charsmap: bytes = b""


def pair_tokenizer(pieces: Pieces) -> Tokenizer:
    """Joins the neighbours whose union scores highest. Text never becomes a control or byte token by joining."""
    ranks = {
        token: -pieces.scores[number]
        for token, number in pieces.index.items()
        if pieces.kinds[number] in (NORMAL, USER_DEFINED, UNUSED)
    }
    return marked_pairs(pieces, implied_merges(ranks, pieces.index))


def marked_pairs(pieces: Pieces, merges: list[tuple[str, str]], *, whole_words: bool = False) -> Tokenizer:
    """Joins neighbours by ``merges``, best first, over text in which spaces are marked."""
    from tokenizers import Tokenizer, models

    unk = None if pieces.unk is None else pieces.tokens[pieces.unk]
    model = models.BPE(
        dict(pieces.index),
        merges,
        unk_token=unk,
        fuse_unk=True,
        byte_fallback=pieces.byte_fallback,
        ignore_merges=whole_words,
    )
    return _around(Tokenizer(model), pieces)


def unigram_tokenizer(pieces: Pieces) -> Tokenizer:
    """Takes the most likely sequence of pieces. Raises ValueError for an empty vocabulary or one without unknown."""
    from tokenizers import Tokenizer, models

    if pieces.unk is None:
        raise ValueError("a unigram vocabulary needs an unknown token")
    scored = list(zip(pieces.tokens, pieces.scores, strict=True))
    # Of several ways to write a user-defined piece, the piece itself is the one that is meant.
    scored = [(token, 0.0 if pieces.kinds[i] == USER_DEFINED else score) for i, (token, score) in enumerate(scored)]
    return _around(Tokenizer(models.Unigram(scored, pieces.unk, pieces.byte_fallback)), pieces)


def _around(tokenizer: Tokenizer, pieces: Pieces) -> Tokenizer:
    """Normalization before the model and its inverse behind it."""
    from tokenizers import Regex, decoders, normalizers

    steps: list[Any] = [normalizers.Precompiled(pieces.charsmap)] if pieces.charsmap else []
    if pieces.remove_extra_spaces:
        steps += [normalizers.Replace(Regex(r"\A +| +\z"), ""), normalizers.Replace(Regex(" {2,}"), " ")]
    if pieces.add_space_prefix:
        steps.append(normalizers.Prepend(SPACE_MARK))
    tokenizer.normalizer = normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE_MARK)])
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(SPACE_MARK, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            *([decoders.Strip(" ", 1, 0)] if pieces.add_space_prefix else []),
        ]
    )
    add_by_kind(tokenizer, pieces.tokens, pieces.kinds)
    return tokenizer
