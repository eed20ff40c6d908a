"""The merges of byte-pair encoding as a file lists them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mistralrs_plugins.formats.gguf.vocabulary import PREFIX, Vocabulary, typed_list

MERGES = f"{PREFIX}merges"


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


def check_merges(vocabulary: Vocabulary, merges: list[tuple[str, str]]) -> None:
    """Refuse a merge of texts that are no tokens, by its number."""
    known = vocabulary.index.keys()
    for number, (left, right) in enumerate(merges):
        if not {left, right, left + right} <= known:
            vocabulary.fail(MERGES, f"merge {number}, {left[:40]!r} + {right[:40]!r}, uses a text that is no token")
