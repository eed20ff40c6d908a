"""Where a model's chat templates are found, in the order of who decides."""

from __future__ import annotations

import errno
import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mistralrs.checkpoint import Checkpoint, ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.errors import ModelFormatError, SourceError
from mistralrs.resources import chat_templates

DEFAULT = "default"
log = logging.getLogger(__name__)
MAX_FILE_BYTES = 32 << 20
MAX_TEMPLATE_CHARS = 1 << 20
RECOGNIZED = ("llama3", "gemma", "phi3", "chatml")
"""Shipped templates that a vocabulary alone gives away, for models that bring none and whose family has several."""
TOKENS_LINE = re.compile(r"\{#-.*?\bTokens: ([^\n]+?) -#\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class TemplateSources:
    """Jinja sources by name (``default``, ``tool_use`` ...) and where they came from, for messages."""

    by_name: Mapping[str, str]
    origin: str


def find_sources(
    files: ModelFiles,
    checkpoint: Checkpoint,
    selection: ModelSelection,
    *,
    fallback: str | None = None,
    ask_plugins: Callable[[], str | None] = lambda: None,
    knows: Callable[[str], bool] = lambda token: True,
) -> TemplateSources | None:
    """The templates to use, or None when the model has none at all.

    The user's ``--jinja-explicit`` comes first, then ``processor_config.json``, then ``--chat-template``, then the
    other files of the model, the weights file, the architecture's ``fallback`` by its name in ``chat_templates/``, what
    plugins answer, and last a shipped template recognized by its tokens. A shipped template is only used when the
    vocabulary ``knows`` the tokens it is made of.
    """
    for sources in _candidates(files, checkpoint, selection, fallback, ask_plugins, knows):
        if sources.by_name:
            return _checked(sources)
    return None


def _candidates(
    files: ModelFiles,
    checkpoint: Checkpoint,
    selection: ModelSelection,
    fallback: str | None,
    ask_plugins: Callable[[], str | None],
    knows: Callable[[str], bool],
) -> Iterator[TemplateSources]:
    if selection.jinja_explicit:
        yield _given(selection.jinja_explicit)
    if processor := files.companions.get("processor_config.json"):
        yield from_file(processor)
    if selection.chat_template:
        yield _given(selection.chat_template)
    for name in ("chat_template.jinja", "tokenizer_config.json", "chat_template.json"):
        if path := files.companions.get(name):
            yield from_file(path)
    yield TemplateSources(checkpoint.chat_templates(), f"the weights of {files.id}")
    if fallback:
        yield from _shipped_if_known(fallback, knows)
    if answer := ask_plugins():
        yield TemplateSources({DEFAULT: answer}, "a plugin")
    for name in RECOGNIZED:
        yield from _shipped_if_known(name, knows)


def _given(path: Path) -> TemplateSources:
    """What the user named: a file, or a shipped template by its bare name."""
    if not path.exists() and path.name in shipped_names():
        return from_file(shipped(path.name))
    return from_file(path)


def shipped(name: str) -> Path:
    """The file of a shipped template."""
    return chat_templates() / f"{name}.jinja"


def shipped_names() -> list[str]:
    """The templates in ``chat_templates/``."""
    return sorted(path.stem for path in chat_templates().glob("*.jinja"))


def _shipped_if_known(name: str, knows: Callable[[str], bool]) -> Iterator[TemplateSources]:
    """A template made of tokens that a model does not have would only confuse it."""
    source = read_text(shipped(name))
    stated = TOKENS_LINE.match(source)
    if all(map(knows, stated[1].split() if stated else ())):
        log.warning("the model brings no chat template; using the shipped %s (--chat-template chooses another)", name)
        yield TemplateSources({DEFAULT: source}, f"the shipped template {name}")


def from_file(path: Path) -> TemplateSources:
    """The templates in a ``.json`` file's ``chat_template``, or the one that any other file is."""
    if path.suffix.lower() != ".json":
        return TemplateSources({DEFAULT: read_text(path)}, str(path))
    return TemplateSources(_named_templates(read_object(path).get("chat_template"), path), str(path))


def _named_templates(value: object, path: Path) -> dict[str, str]:
    match value:
        case None:
            return {}
        case str():
            return {DEFAULT: value}
        case dict():
            entries = list(value.items())
        case list():
            entries = [(item.get("name"), item.get("template")) for item in value if isinstance(item, dict)]
        case _:
            entries = [(None, None)]
    if all(isinstance(name, str) and isinstance(source, str) for name, source in entries):
        return dict(entries)
    raise ModelFormatError(f"{path}: chat_template must be a string or a list of named templates")


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object. The file is named in every error."""
    try:
        value = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        where = f" in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ModelFormatError(f"{path} is not valid JSON{where}") from error
    if not isinstance(value, dict):
        raise ModelFormatError(f"{path} must hold a JSON object")
    return value


def read_text(path: Path) -> str:
    """Read a small UTF-8 file. The file is named in every error."""
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelFormatError(f"{path} is larger than {MAX_FILE_BYTES >> 20} MiB")
        return path.read_text("utf-8")
    except OSError as error:
        hint = f"templates known by name: {', '.join(shipped_names())}" if error.errno == errno.ENOENT else ""
        raise SourceError(f"cannot read {path}: {error.strerror}", hint) from error
    except UnicodeDecodeError as error:
        raise ModelFormatError(f"{path} is not UTF-8 text") from error


def _checked(sources: TemplateSources) -> TemplateSources:
    for name, source in sources.by_name.items():
        if len(source) > MAX_TEMPLATE_CHARS:
            raise ModelFormatError(
                f"the chat template {name!r} of {sources.origin} is longer than {MAX_TEMPLATE_CHARS} characters"
            )
    return sources
