"""Reads one registry.toml. Every key and type is checked; what is wrong is named with its table and the file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from mistralrs.errors import UsageError
from mistralrs.plugin.kinds import KINDS, near

VERSION: Final = 1
MAX_BYTES: Final = 1 << 20

_TABLES: Final = ("version", "default_model", "plugins", "prefer", "options", "models")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAlias:
    """What a short name stands for: a model reference, and defaults for that model. ``sha256`` is lower-case hex."""

    source: str
    sha256: str | None = None
    format: str | None = None
    file: str | None = None
    chat_template: str | None = None
    quantization: str | None = None
    device: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryFile:
    """The decisions of one file. None is "says nothing", which an empty list is not."""

    disable: tuple[str, ...] | None = None
    only: tuple[str, ...] | None = None
    prefer: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    models: Mapping[str, ModelAlias] = field(default_factory=dict)
    default_model: str | None = None


def read_registry(path: Path) -> RegistryFile:
    """Read and check ``path``. Raises :class:`UsageError` naming the file, the table and the key that is wrong."""
    return parse_registry(_parse(path), path)


def parse_registry(data: Mapping[str, Any], path: Path) -> RegistryFile:
    """Check the tables of a registry. ``path`` is the file they are from, which messages name."""
    check = _Checker(path)
    check.keys("", data, _TABLES)
    version = data.get("version", VERSION)
    if version != VERSION or isinstance(version, bool):
        raise check.error(f"version {version!r} cannot be read; this release reads version {VERSION}")
    plugins = check.table("plugins", data.get("plugins", {}))
    check.keys("[plugins]", plugins, ("disable", "only"))
    default = data.get("default_model")
    models = check.table("models", data.get("models", {}))
    return RegistryFile(
        disable=check.names("[plugins] disable", plugins.get("disable")),
        only=check.names("[plugins] only", plugins.get("only")),
        prefer=_prefer(check, check.table("prefer", data.get("prefer", {}))),
        options=_options(check, check.table("options", data.get("options", {}))),
        models={name: _alias(check, name, entry) for name, entry in models.items()},
        default_model=None if default is None else check.text("default_model", default),
    )


def _parse(path: Path) -> dict[str, Any]:
    """The file as a table. Sizes and kinds of file are checked first: a device would never end."""
    try:
        if not path.is_file():
            raise UsageError(f"there is no registry file {path}", "see --registry and MISTRALRS_REGISTRY")
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: a registry file has at most {MAX_BYTES >> 20} MiB")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not valid TOML: {error}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not valid TOML") from error
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class _Checker:
    """Type checks that name where in which file a wrong value is."""

    path: Path

    def error(self, what: str) -> UsageError:
        """The error to raise: ``what`` is wrong in this file."""
        return UsageError(f"{self.path}: {what}")

    def keys(self, where: str, table: Mapping[str, Any], known: Collection[str]) -> None:
        """Refuse keys nobody reads."""
        for key in table:
            if key not in known:
                raise self.error(f"unknown key {key!r}{' in ' + where if where else ''}{near(key, known)}")

    def table(self, where: str, value: object) -> dict[str, Any]:
        """``value`` as a table."""
        if not isinstance(value, dict):
            raise self.error(f"{where} must be a table")
        return value

    def text(self, where: str, value: object) -> str:
        """``value`` as a string that is not empty."""
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"{where} must be a non-empty string")
        return value

    def names(self, where: str, value: object) -> tuple[str, ...] | None:
        """``value`` as a list of names, or None when it is not there."""
        if value is None:
            return None
        if not isinstance(value, list):
            raise self.error(f"{where} must be a list of strings")
        return tuple(self.text(f"each item of {where}", item) for item in value)

    def kind(self, where: str, kind: str) -> None:
        """Refuse a word that is no kind of plugin."""
        if kind not in KINDS:
            raise self.error(f"{where}: there is no plugin kind {kind!r}{near(kind, KINDS)}")


def _prefer(check: _Checker, table: Mapping[str, Any]) -> dict[str, str]:
    for key, winner in table.items():
        where = f'[prefer] "{key}"'
        kind, _, rest = key.partition(":")
        if not rest:
            raise check.error(f'{where} must be of the form "kind:key"')
        check.kind(where, kind)
        check.text(where, winner)
    return dict(table)


def _options(check: _Checker, table: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    for plugin, values in table.items():
        where = f'[options."{plugin}"]'
        kind, _, rest = plugin.partition("/")
        if not rest:
            raise check.error(f'{where} must be of the form [options."kind/name"]')
        check.kind(where, kind)
        check.table(where, values)
    return dict(table)


def _alias(check: _Checker, name: str, entry: object) -> ModelAlias:
    """A short name: a reference, or a table with one."""
    if isinstance(entry, str):
        return ModelAlias(source=check.text(f"[models] {name}", entry))
    where = f"[models.{name}]"
    table = check.table(where, entry)
    check.keys(where, table, [item.name for item in fields(ModelAlias)])
    if "source" not in table:
        raise check.error(f"{where} needs a source")
    for key, value in table.items():
        check.text(f"{where} {key}", value)
    if "sha256" in table and not _SHA256.fullmatch(table["sha256"]):
        raise check.error(f"{where} sha256 must be 64 lower-case hexadecimal digits")
    return ModelAlias(**table)
