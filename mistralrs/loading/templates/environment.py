"""The Jinja environment chat templates are written for, as ``transformers.apply_chat_template`` sets it up.

Imported only by the template process: see :mod:`mistralrs.loading.templates.worker`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

MAX_INDENT = 256


class TemplateRaised(TemplateError):
    """The template called ``raise_exception``: its message is meant for the person who sent the messages."""


class GenerationTag(Extension):
    """Accepts ``{% generation %}`` blocks, which mark the assistant's words for training, and renders their body."""

    tags = {"generation"}  # noqa: RUF012 (the base class declares it so)

    def parse(self, parser: Parser) -> nodes.Node:
        """The block's statements, in a scope of their own."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


class PublicNamespace(Namespace):
    """``namespace()`` that refuses underscore attributes, which could reach the interpreter's internals."""

    def __init__(*args: Any, **attributes: Any) -> None:
        # self is in args, so that a template may write namespace(self=1).
        self, *positional = args
        values = dict(*positional, **attributes)
        for name in values:
            _check_attribute(name)
        Namespace.__init__(self, values)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_attribute(name)
        super().__setitem__(name, value)


class ChatEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox, except that lists may grow: what a template sees is a copy made for this one rendering."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may read ``obj.attr``."""
        if attr == "append" and type(obj) is list:
            return True
        return super().is_safe_attribute(obj, attr, value)


def build_environment() -> ChatEnvironment:
    """A fresh environment with the filters and functions chat templates count on."""
    environment = ChatEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[GenerationTag, loopcontrols])
    environment.filters["tojson"] = to_json
    environment.globals.update(
        raise_exception=raise_exception,
        strftime_now=strftime_now,
        dict=make_dict,
        namespace=PublicNamespace,
    )
    return environment


def to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as models were trained on it: Python's separators, no HTML escapes."""
    if indent is not None and not (isinstance(indent, int) and 0 <= indent <= MAX_INDENT):
        raise TemplateRaised(f"tojson: indent must be between 0 and {MAX_INDENT}")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def raise_exception(message: object) -> NoReturn:
    """What templates call to refuse a conversation, for example one whose roles do not alternate."""
    raise TemplateRaised(str(message))


def strftime_now(format: str) -> str:
    """The local time as text."""
    return datetime.now().strftime(format)


def make_dict(*pairs: Mapping[Any, Any], **entries: Any) -> dict[Any, Any]:
    """``dict(...)`` without the class, whose attributes would be within a template's reach."""
    return dict(*pairs, **entries)


def _check_attribute(name: object) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError("namespace attributes must not begin with an underscore")
