"""The word that may stand before a model's options and says which kind of model it is."""

from __future__ import annotations

from typing import Annotated

import typer

from mistralrs.errors import UsageError

KINDS = ("auto", "text")
OTHER_KINDS = ("multimodal", "diffusion", "speech", "embedding")
"""Words of mistral.rs that mean nothing here yet."""

Selector = Annotated[
    str, typer.Argument(metavar="[auto|text]", show_default=False, help="Kind of model: auto or text.")
]


def check_selector(selector: str, hint: str = "") -> None:
    """Raise :class:`UsageError` for a kind that cannot be asked for. ``hint`` is added for a word that is none."""
    kinds = ", ".join(KINDS)
    if selector in OTHER_KINDS:
        raise UsageError(f"{selector} models are not supported yet", f"one of {kinds}")
    if selector not in KINDS:
        raise UsageError(f"unknown kind of model {selector!r}", f"one of {kinds}" + (f"; {hint}" if hint else ""))
