"""Writes an answer to standard output as it comes."""

from __future__ import annotations

import sys

from mistralrs.api.answer import Answer

CUT_SHORT = "..."
# A terminal obeys control characters; what a model writes must not move its cursor, retitle or reprogram it.
_TERMINAL_SAFE = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0)} - {ord("\n"), ord("\t")})


def stream(answer: Answer) -> None:
    """Print the pieces of ``answer`` as they come, then a line end. An answer cut by its length ends in dots."""
    is_terminal = sys.stdout.isatty()
    for piece in answer:
        sys.stdout.write(piece.translate(_TERMINAL_SAFE) if is_terminal else piece)
        sys.stdout.flush()
    if is_terminal and answer.reason == "length":
        sys.stdout.write(CUT_SHORT)
    sys.stdout.write("\n")
    sys.stdout.flush()
