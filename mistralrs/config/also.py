"""Further models of one server, each as one word of the command line: ``REFERENCE,key=value,...``.

The keys are those of the options that choose a model, and ``alias``, which may be given several times. A comma inside
a value is written ``\\,``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from mistralrs.config.model import ModelSelection
from mistralrs.config.section import build
from mistralrs.errors import UsageError
from mistralrs.plugin.kinds import near

SHARED = ("token_source", "cpu")
"""Settings that are those of the first model."""
KEYS = frozenset(ModelSelection.model_fields) - {"model_id", *SHARED}
ALIAS = "alias"
_COMMA = re.compile(r"(?<!\\),")


class FurtherModel(NamedTuple):
    """A model beside the first one, and its further names."""

    selection: ModelSelection
    aliases: tuple[str, ...]


def parse_also(text: str, first: ModelSelection) -> FurtherModel:
    """Read one ``--also`` beside the model ``first``. Raises :class:`UsageError` naming the key that is wrong."""
    reference, *settings = (part.replace("\\,", ",").strip() for part in _COMMA.split(text))
    if not reference:
        raise UsageError("--also: there is no model before the first comma", "--also MODEL,alias=NAME")
    values: dict[str, Any] = {"model_id": reference, **{name: getattr(first, name) for name in SHARED}}
    aliases: list[str] = []
    for setting in settings:
        name, equals, value = setting.partition("=")
        key = name.replace("-", "_")
        if not equals or not value:
            raise UsageError(f"--also: {setting[:60]!r} is not of the form key=value")
        if key == ALIAS:
            aliases.append(value)
        elif key not in KEYS:
            raise UsageError(f"--also: unknown key {name[:60]!r}{near(key, {*KEYS, ALIAS})}")
        elif key in values:
            raise UsageError(f"--also: {name} is given twice")
        else:
            values[key] = value
    return FurtherModel(build(ModelSelection, values, {key: f"--also: {key}" for key in KEYS}), tuple(aliases))


def write_also(reference: str, values: Mapping[str, Any], aliases: Iterable[str]) -> str:
    """The word that :func:`parse_also` reads as these values; those that are None are left out."""
    pairs = [(name, value) for name, value in values.items() if value is not None]
    pairs += [(ALIAS, alias) for alias in aliases]
    return ",".join(_escaped(part) for part in (reference, *(f"{name}={value}" for name, value in pairs)))


def _escaped(text: str) -> str:
    return text.replace(",", "\\,")
