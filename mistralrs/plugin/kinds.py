"""The kinds of plugin there are: the one closed list of the project."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mistralrs.errors import PluginError
from mistralrs.plugin.specs import (
    ArchitectureSpec,
    FormatSpec,
    FrontendSpec,
    KernelsSpec,
    QuantizationSpec,
    SourceSpec,
    Spec,
    TokenizerSpec,
)

GROUP_PREFIX: Final = "mistralrs."


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its word, its plural (folder and group), and the record its registration hook returns.

    ``spec`` is None for a kind that contributes nothing to look up, only hooks.
    """

    name: str
    plural: str
    spec: type[Spec] | None

    @property
    def group(self) -> str:
        """The entry-point group."""
        return GROUP_PREFIX + self.plural

    @property
    def hook(self) -> str | None:
        """The registration hook, or None."""
        return f"mistralrs_register_{self.plural}" if self.spec else None


KINDS: Final[dict[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind("architecture", "architectures", ArchitectureSpec),
        Kind("quantization", "quantizations", QuantizationSpec),
        Kind("format", "formats", FormatSpec),
        Kind("tokenizer", "tokenizers", TokenizerSpec),
        Kind("source", "sources", SourceSpec),
        Kind("kernels", "kernels", KernelsSpec),
        Kind("frontend", "frontends", FrontendSpec),
        Kind("observer", "observers", None),
    )
}


def near(word: str, known: Iterable[str]) -> str:
    """``'; did you mean 'x' or 'y'?'`` with the closest known words, or nothing."""
    found = difflib.get_close_matches(word, list(known), n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(map(repr, found))}?" if found else ""


def kind_named(name: str) -> Kind:
    """The kind called ``name``. Raises :class:`PluginError` with the known ones."""
    try:
        return KINDS[name]
    except KeyError:
        message = f"there is no plugin kind {name!r}{near(name, KINDS)}"
        raise PluginError(message, f"kinds: {', '.join(KINDS)}") from None
