"""The merges of byte-pair encoding: as a file lists them, or as SentencePiece's scores imply them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mistralrs_plugins.formats.gguf.vocabulary import (
    NORMAL,
    PREFIX,
    UNUSED,
    USER_DEFINED,
    Vocabulary,
    typed_list,
)

MERGES = f"{PREFIX}merges"
# Every way to cut a piece in two is looked at; real pieces have a few hundred characters at most.
MAX_PIECE_CHARS = 1024


def read_merges(metadata: Mapping[str, Any], vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """``tokenizer.ggml.merges``, best first: pairs written with a space between."""
    if MERGES not in metadata:
        vocabulary.fail(MERGES, "missing, but a byte-pair vocabulary needs it")
    texts = typed_list(metadata, "merges", (str,), vocabulary.file)
    merges = [tuple(text.split(" ")) for text in texts]
    for number, merge in enumerate(merges):
        if len(merge) != 2 or not all(merge):
            vocabulary.fail(MERGES, f"merge {number}, {texts[number][:80]!r}, is not a pair of texts")
    return cast("list[tuple[str, str]]", merges)


def merges_by_score(vocabulary: Vocabulary) -> list[tuple[str, str]]:
    """The merges of a SentencePiece vocabulary: every pair of pieces that makes a piece, by its score, best first.

    SentencePiece joins the neighbours whose union scores highest, which is a list of merges in that order. Control and
    byte tokens take no part: text never becomes one by merging.
    """
    kinds = vocabulary.kinds
    pieces = {
        token: number
        for token, number in vocabulary.index.items()
        if kinds[number] in (NORMAL, USER_DEFINED, UNUSED) and len(token) <= MAX_PIECE_CHARS
    }
    found: list[tuple[float, int, int, str, str]] = []
    for piece, number in pieces.items():
        rank = -vocabulary.scores[number]
        for cut in range(1, len(piece)):
            left = piece[:cut]
            if left in pieces and (right := piece[cut:]) in pieces:
                found.append((rank, pieces[left], pieces[right], left, right))
    found.sort()
    return [(left, right) for *_, left, right in found]
