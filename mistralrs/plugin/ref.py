"""A name that is imported on first use: how declarations point at code without importing it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True)
class Ref:
    """A dotted name, ``package.module:attribute``, checked for its form now and imported by :meth:`load`."""

    target: str

    def __post_init__(self) -> None:
        module, _, attribute = self.target.partition(":")
        names = [*module.split("."), *attribute.split(".")]
        if not all(name.isidentifier() for name in names):
            raise ValueError(f"{self.target!r} is not of the form 'package.module:attribute'")

    @property
    def module(self) -> str:
        """The module part."""
        return self.target.partition(":")[0]

    def load(self) -> Any:
        """Import the module and return the attribute. Raises what the import raises."""
        module, _, attribute = self.target.partition(":")
        found: Any = import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
        return found
