"""Tokens that stand for themselves: control and user-defined ones, and those put around every text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# Kinds of token, as SentencePiece numbers them and GGUF after it.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6


def add_by_kind(tokenizer: Tokenizer, tokens: Sequence[str], kinds: Iterable[int]) -> None:
    """Make control, unknown and user-defined tokens matched as a whole, before any splitting.

    All at once: the library rebuilds its matcher on every call.
    """
    from tokenizers import AddedToken

    tokenizer.add_tokens(
        [
            AddedToken(tokens[number], special=kind != USER_DEFINED, normalized=False)
            for number, kind in enumerate(kinds)
            if kind in (CONTROL, UNKNOWN, USER_DEFINED)
        ]
    )


def surround(tokenizer: Tokenizer, before: int | None, after: int | None) -> None:
    """Put tokens before and after every text that is encoded with special tokens; None puts none."""
    from tokenizers import processors

    # Roles instead of the texts, which may hold characters that mean something in a template.
    around = {role: number for role, number in (("before", before), ("after", after)) if number is not None}
    if not around:
        return
    head, tail = [role for role in around if role == "before"], [role for role in around if role == "after"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=[*head, "$A", *tail],
        pair=[*head, "$A", *tail, *(f"{role}:1" for role in head), "$B:1", *(f"{role}:1" for role in tail)],
        special_tokens=[
            {"id": role, "ids": [number], "tokens": [tokenizer.id_to_token(number)]} for role, number in around.items()
        ],
    )
