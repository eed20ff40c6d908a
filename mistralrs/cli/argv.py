"""Lets global options stand before or after a sub-command: moves them in front before the parser sees them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from mistralrs.errors import UsageError

WITH_VALUE: Final = frozenset({"--seed", "-l", "--log", "--token-source", "--registry", "--no-plugin"})

_FLAG: Final = re.compile(r"-v+|--verbose")


def hoist(arguments: Sequence[str]) -> list[str]:
    """``arguments`` with the global options first, both groups in their order; what follows ``--`` stays.

    Only whole words count, ``--seed 7`` or ``--seed=7`` but not ``-lFILE``: a prompt may well begin with ``-l``.
    Raises :class:`UsageError` when an option that takes a value ends the line.
    """
    hoisted: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        name, joined, _ = word.partition("=")
        if word == "--":
            rest += [word, *words]
        elif _FLAG.fullmatch(word) or (joined and name in WITH_VALUE and name.startswith("--")):
            hoisted.append(word)
        elif word in WITH_VALUE:
            value = next(words, None)
            if value is None:
                raise UsageError(f"{word} needs a value")
            hoisted += [word, value]
        else:
            rest.append(word)
    return hoisted + rest
