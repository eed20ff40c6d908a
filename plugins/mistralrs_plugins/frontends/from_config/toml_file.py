"""Reads a configuration file: checks its keys, expands variables and paths, and remembers where each value is from.

Variables, ``${NAME}`` or ``${NAME:-default}``, are expanded in the values of ``EXPANDED`` keys; ``$$`` is a dollar.
Paths are relative to the file.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from mistralrs.config.from_config import LATER, NEGATIONS, Configuration, ServerTable
from mistralrs.config.section import build
from mistralrs.errors import UsageError
from mistralrs.plugin.kinds import near

MAX_BYTES = 1 << 20
PATHS = frozenset({"api_key_file", "chat_template", "hf_cache", "jinja_explicit", "log", "tokenizer", "topology"})
REFERENCES = frozenset({"model_id", "tok_model_id"})
EXPANDED = PATHS | REFERENCES | {"quantized_file", "token_source"}

ALIASES = {"enable_thinking": "thinking", "in_situ_quant": "isq", **NEGATIONS}
"""Other names of keys, as mistral.rs has them."""

_VARIABLE = re.compile(r"\$(?:\$|\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigFile:
    """A file that was read. ``origins`` says of each value, by its dotted name, where it is from."""

    path: Path
    config: Configuration
    origins: Mapping[str, str]

    def origin(self, name: str) -> str:
        """``default`` or ``file``, with the variables that were expanded. A table written inline is from the file."""
        inside = [origin for inner, origin in self.origins.items() if inner.startswith(f"{name}.")]
        return inside[0] if inside else self.origins.get(name, "default")


def read_config(path: Path) -> ConfigFile:
    """Read and check ``path``. Raises :class:`UsageError` naming the file and the key that is wrong."""
    data = _parse(path)
    try:
        _check_keys(data, Configuration, "")
        origins: dict[str, str] = {}
        resolved = _resolve(data, path.absolute().parent, "", origins)
        return ConfigFile(path=path, config=build(Configuration, resolved), origins=origins)
    except UsageError as error:
        raise UsageError(f"{path}: {error.message}", error.hint) from None


def _parse(path: Path) -> dict[str, Any]:
    if path.suffix.lower() != ".toml":
        raise UsageError(f"{path}: a configuration file ends with .toml")
    try:
        if not path.is_file():
            raise UsageError(f"there is no configuration file {path}")
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: a configuration file has at most {MAX_BYTES >> 20} MiB")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from None
    except (UnicodeDecodeError, RecursionError):
        raise UsageError(f"{path}: not valid TOML") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None


def tables(model: type[BaseModel]) -> dict[str, type[BaseModel] | None]:
    """The keys a table may have, aliases included, with the table each of them is, or None for a value."""
    found: dict[str, type[BaseModel] | None] = {}
    if model is ServerTable:
        found |= dict.fromkeys(NEGATIONS)
    for name, field in model.model_fields.items():
        kinds = [field.annotation, *get_args(field.annotation)]
        inner = next((each for each in kinds if isinstance(each, type) and issubclass(each, BaseModel)), None)
        if not name.endswith("_"):
            found[name] = inner
        if field.alias:
            found[field.alias] = inner
    return found


def _check_keys(table: Mapping[str, Any], model: type[BaseModel], where: str) -> None:
    """Refuse keys nobody reads, with the near ones; say of those of mistral.rs that they come later."""
    known = tables(model)
    for key, value in table.items():
        name = f"{where}.{key}" if where else key
        if key in LATER.get(where, ()):
            raise UsageError(f"{name} is not supported yet", "remove it; the other settings can stay")
        if ALIASES.get(key) in table:
            raise UsageError(f"{name} and {ALIASES[key]} are the same key; give one of them")
        if key not in known:
            raise UsageError(f"unknown key {name!r}{near(key, known)}")
        inner = known[key]
        if inner is None:
            continue
        rows = value if isinstance(value, list) else [value]
        for row in rows:
            if not isinstance(row, dict) or isinstance(value, list) != (key == "models"):
                raise UsageError(f"{name} must be {'tables, [[models]]' if key == 'models' else 'a table'}")
            _check_keys(row, inner, name)


def _resolve(value: Any, base: Path, where: str, origins: dict[str, str]) -> Any:
    """A copy with variables and paths expanded."""
    if isinstance(value, dict):
        return {key: _resolve(item, base, f"{where}.{key}" if where else key, origins) for key, item in value.items()}
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return [_resolve(item, base, f"{where}[{index}]", origins) for index, item in enumerate(value)]
    parent, dot, key = where.rpartition(".")
    where = f"{parent}{dot}{ALIASES.get(key, key)}"
    origins[where] = "file"
    if not isinstance(value, str) or key not in EXPANDED:
        return value
    expanded, names = _expand(value, where)
    if names:
        origins[where] = f"file, with {' and '.join(names)}"
    return _located(expanded, key, base)


def _expand(text: str, where: str) -> tuple[str, list[str]]:
    """The text with its variables replaced, and where each came from. Raises UsageError for one that is not set."""
    names: list[str] = []

    def replace(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        if name is None:
            return "$"
        names.append(f"{name} of the environment" if name in os.environ else f"the default of {name}")
        value = os.environ.get(name, default)
        if value is None:
            raise UsageError(
                f"{where}: the environment variable {name} is not set", f"or give a default: ${{{name}:-...}}"
            )
        return value

    return _VARIABLE.sub(replace, text), names


def _located(text: str, key: str, base: Path) -> str:
    """Paths, and references that say they are one, from the file's folder."""
    if key in PATHS or (key in REFERENCES and text.startswith(("./", "../", "~"))):
        return str(base / Path(text).expanduser())
    return text
