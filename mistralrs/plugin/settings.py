"""A plugin's ``[options."kind/name"]`` table, checked by the schema that its own declaration points at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mistralrs.errors import UsageError
from mistralrs.plugin.kinds import near
from mistralrs.plugin.policy import Policy
from mistralrs.plugin.records import one_line
from mistralrs.plugin.specs import Spec


def validated(schema: Any, table: Mapping[str, Any], spec: Spec, policy: Policy) -> Any:
    """The table as an instance of ``schema``, a pydantic model, with its defaults.

    Raises :class:`UsageError` naming the key and the layer that set it; an unknown key is an error whatever the schema
    says of extra ones.
    """
    plugin = f"{spec.kind}/{spec.name}"
    known = list(schema.model_fields)
    for key in table:
        if key not in known:
            raise _error(policy, plugin, key, f"unknown key {key!r}{near(key, known)}")
    try:
        return schema.model_validate(dict(table))
    except ValueError as error:  # pydantic's ValidationError, which this floor does not import
        problem = error.errors(include_url=False, include_context=False)[0]  # type: ignore[attr-defined]
        key = ".".join(map(str, problem["loc"]))
        message = problem["msg"].removeprefix("Value error, ")
        raise _error(policy, plugin, key.partition(".")[0], f"{key}: {message}" if key else message) from None


def refuse(table: Mapping[str, Any], spec: Spec, policy: Policy) -> None:
    """Raise :class:`UsageError` when a plugin that takes no options was given some."""
    if table:
        raise _error(policy, f"{spec.kind}/{spec.name}", next(iter(table)), "this plugin takes no options")


def _error(policy: Policy, plugin: str, key: str, problem: str) -> UsageError:
    layer = policy.layer("options", f"{plugin}.{key}")
    return UsageError(one_line(f'{layer}: [options."{plugin}"]: {problem}'))
