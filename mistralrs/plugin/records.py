"""What the host remembers about each entry point it found."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from importlib.metadata import EntryPoint
from typing import Final

from mistralrs.plugin.specs import Spec

BUILTIN: Final = "mistralrs-py"
"""The distribution whose plugins are the built-ins."""

MAX_REASON: Final = 300

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{6,}")


class Status(StrEnum):
    """What became of a plugin.

    found: seen, not imported. active: serves its keys. disabled: policy says no. shadowed: another plugin serves one
    of its keys. incompatible: written for another version. unavailable: a package it needs is missing. broken: its
    own mistake.
    """

    FOUND = "found"
    ACTIVE = "active"
    DISABLED = "disabled"
    SHADOWED = "shadowed"
    INCOMPATIBLE = "incompatible"
    UNAVAILABLE = "unavailable"
    BROKEN = "broken"


@dataclass(slots=True, eq=False)
class PluginRecord:
    """One entry point and what became of it. ``entry_point`` is ``module`` or ``module:attribute`` as installed."""

    kind: str
    name: str
    version: str
    distribution: str
    entry_point: EntryPoint = field(repr=False)
    status: Status = Status.FOUND
    reason: str = ""
    specs: list[Spec] = field(default_factory=list)

    @property
    def id(self) -> str:
        """``kind/name``, the name users see."""
        return f"{self.kind}/{self.name}"

    @property
    def full_id(self) -> str:
        """``kind/name@distribution``: one of a kind even when two distributions chose the same name."""
        return f"{self.id}@{self.distribution}"

    @property
    def names(self) -> frozenset[str]:
        """What policy may call it."""
        return frozenset((self.id, self.full_id, self.name, self.distribution))

    @property
    def builtin(self) -> bool:
        """Whether it came with this package."""
        return self.distribution == BUILTIN

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key its specs give; empty until it was loaded."""
        return tuple(key for spec in self.specs for key in spec.keys)

    @property
    def label(self) -> str:
        """``kind/name from distribution version``, for messages."""
        return f"{self.id} from {self.distribution} {self.version}"

    def turn(self, status: Status, reason: str) -> None:
        """Change the status; the reason becomes one line."""
        self.status, self.reason = status, one_line(reason)


def one_line(text: str) -> str:
    """``text`` as one printable line without memory addresses, at most ``MAX_REASON`` characters."""
    line = " ".join(_ADDRESS.sub("0x...", text).split())
    line = "".join(char if char.isprintable() else "?" for char in line)
    return line if len(line) <= MAX_REASON else line[: MAX_REASON - 3] + "..."


def describe(error: BaseException) -> str:
    """An exception a plugin raised, as one line: its class and its words."""
    return one_line(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)
