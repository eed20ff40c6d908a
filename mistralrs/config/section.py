"""What all sections share: unknown keys are errors, values are frozen, and a bad one is a one-line message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from mistralrs.errors import UsageError

SectionT = TypeVar("SectionT", bound="Section")


class Section(BaseModel):
    """Base of the settings of one owner."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


def build(section: type[SectionT], values: Mapping[str, Any], names: Mapping[str, str] | None = None) -> SectionT:
    """Validate ``values`` as ``section``. Raises :class:`UsageError` for the first bad one.

    ``names`` says what the user calls a field, for example ``{"block_size": "--pa-block-size"}``; other fields
    are shown under their own names.
    """
    try:
        return section(**values)
    except ValidationError as error:
        raise UsageError(_first_problem(error, names or {})) from None


def _first_problem(error: ValidationError, names: Mapping[str, str]) -> str:
    problem = error.errors(include_url=False, include_context=False)[0]
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    field = ".".join(str(part) for part in problem["loc"])
    shown = names.get(str(problem["loc"][0]), field)
    if problem["type"] == "extra_forbidden":
        return f"unknown key {shown!r}"
    return message if message.startswith(shown) else f"{shown}: {message[:1].lower()}{message[1:]}"
