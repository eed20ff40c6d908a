"""``mistralrs plugins enable`` and ``disable``: edit the user's registry.toml, and no other."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mistralrs import resources
from mistralrs.errors import PluginError, UsageError
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.kinds import near
from mistralrs.plugin.policy import ESSENTIAL, user_registry
from mistralrs.plugin.records import PluginRecord
from mistralrs.plugin.registry_file import read_registry

if TYPE_CHECKING:
    from tomlkit import TOMLDocument

PluginId = Annotated[str, typer.Argument(metavar="ID", help="kind/name, a name, or a distribution.")]


def disable_plugin(ctx: typer.Context, plugin: PluginId) -> None:
    """Keep a plugin from loading, by a line in your own registry.toml."""
    meant = _meant(ctx.obj.host, plugin)
    if essential := [each.id for each in meant if each.builtin and each.id in ESSENTIAL]:
        raise UsageError(f"{essential[0]} cannot be disabled, nothing works without it")
    path = user_registry()
    listed = _listed(path)
    word = _word(meant, plugin)
    if word in listed:
        typer.echo(f"{word} is disabled already in {path}")
        return
    _write(path, [*listed, word])
    typer.echo(f"disabled {word} in {path}")


def enable_plugin(ctx: typer.Context, plugin: PluginId) -> None:
    """Let a plugin load again, by removing its line from your own registry.toml."""
    host: PluginHost = ctx.obj.host
    path = user_registry()
    listed = _listed(path)
    meant = [] if plugin in listed else _meant(host, plugin)  # what is no longer installed can still be taken out
    names = {plugin}.union(*(each.names for each in meant))
    if len(meant) == 1 and meant[0].distribution in listed and plugin != meant[0].distribution:
        whole = meant[0].distribution
        raise PluginError(f"{plugin} is disabled with all plugins of {whole}", f"mistralrs plugins enable {whole}")
    kept = [name for name in listed if name not in names]
    if kept == listed:
        others = next(
            (reason for each in meant if (reason := host.policy.refuses(each.names, builtin=each.builtin))), ""
        )
        raise PluginError(f"{plugin} is not disabled in {path}" + (f", but {others}" if others else ""))
    _write(path, kept)
    typer.echo(f"enabled {plugin} in {path}")


def _meant(host: PluginHost, name: str) -> list[PluginRecord]:
    """The plugins a policy would apply ``name`` to. Raises PluginError with near matches when there is none."""
    records = host.discover_all()
    found = [record for record in records if name in record.names]
    if not found:
        known = {word for record in records for word in (record.id, record.name, record.distribution)}
        raise PluginError(f"no plugin is called {name!r}{near(name, known)}", "mistralrs plugins list")
    return found


def _word(meant: Sequence[PluginRecord], name: str) -> str:
    """What to write: the full name of a single plugin, so that a namesake installed later is not meant too."""
    if len(meant) == 1 and name != meant[0].distribution:
        return meant[0].id
    return name


def _listed(path: Path) -> list[str]:
    """The names the user has disabled; the shipped ones when the user's file says nothing, for lists replace."""
    for file in (path, resources.registry_file()):
        if file.is_file() and (listed := read_registry(file).disable) is not None:
            return list(listed)
    return []


def _write(path: Path, names: Sequence[str]) -> None:
    """Put the list into the file; comments, order and everything else in it stay."""
    import tomlkit

    document: TOMLDocument = tomlkit.document()
    if path.is_file():
        document = tomlkit.parse(path.read_text(encoding="utf-8"))
    else:
        document.add("version", tomlkit.item(1))
    plugins: Any = document.setdefault("plugins", tomlkit.table())
    existing: Any = plugins.get("disable")
    if existing is None:
        plugins["disable"] = list(names)
    else:
        for gone in [name for name in existing if name not in names]:
            existing.remove(gone)
        existing.extend(name for name in names if name not in existing)
    _replace(path, tomlkit.dumps(document))


def _replace(path: Path, content: str) -> None:
    """Write through a temporary file, so that an interrupted write leaves the old one; a link stays a link."""
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=target.parent, prefix=".registry-", suffix=".toml")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        if target.exists():
            os.chmod(draft, target.stat().st_mode & 0o777)
        os.replace(draft, target)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
