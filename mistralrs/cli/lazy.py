"""A group whose commands are front-end plugins: known by name and summary, imported when one runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from mistralrs.errors import PluginError, UsageError
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.kinds import near
from mistralrs.plugin.records import Status
from mistralrs.plugin.ref import Ref
from mistralrs.plugin.specs import FrontendSpec

_COMPLETION_OPTIONS: Final = {"install_completion", "show_completion"}


class LazyGroup(TyperGroup):
    """The root command. Contexts and commands are typer's own vendored classes, which have no public name."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands of the core and of the front ends, sorted."""
        return sorted({*super().list_commands(ctx), *_summaries(ctx.obj.host)})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command of the core, or a stand-in with the summary: enough to list a front end without importing it."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        summary = _summaries(ctx.obj.host).get(cmd_name)
        return None if summary is None else TyperCommand(cmd_name, short_help=summary)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real command, imported now that it is about to run. Raises :class:`UsageError` for an unknown one."""
        name = args[0]
        if name in self.commands or name.startswith("-"):
            return super().resolve_command(ctx, args)
        host: PluginHost = ctx.obj.host
        if not any(record.name == name for record in host.load("frontend")) and name not in _summaries(host):
            message = f"there is no command {name!r}{near(name, self.list_commands(ctx))}"
            raise UsageError(message, "mistralrs --help")
        return name, _mount(host, host.resolve("frontend", name)), args[1:]


class LazyCommands(TyperGroup):
    """A group with commands of the core that are imported when one runs: functions for ``typer.Typer.command``."""

    later: ClassVar[Mapping[str, tuple[Ref, str]]] = {}
    """Name to function and summary."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Those imported already and the others, sorted."""
        return sorted({*super().list_commands(ctx), *self.later})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command, or a stand-in with its summary."""
        if cmd_name in self.later:
            return TyperCommand(cmd_name, help=self.later[cmd_name][1])
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The real command."""
        if args[0] not in self.later:
            return super().resolve_command(ctx, args)
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(args[0])(self.later[args[0]][0].load())
        return args[0], get_command(app), args[1:]


def _summaries(host: PluginHost) -> dict[str, str]:
    """Summaries by command; a front end that lacks a package is listed too, with what it needs."""
    listed: dict[str, str] = {}
    for record in host.load("frontend"):
        note = f" ({record.reason.partition(': ')[0]})" if record.status is Status.UNAVAILABLE else ""
        for spec in record.specs:
            listed.setdefault(spec.name, spec.summary + note)
    return listed


def _mount(host: PluginHost, spec: FrontendSpec) -> Any:
    """The front end's Typer app as a command."""
    app = host.load_ref(spec, spec.app)
    if not isinstance(app, typer.Typer):
        raise PluginError(f"{spec.kind}/{spec.name}: {spec.app.target} is a {type(app).__name__}, not a typer.Typer")
    command = get_command(app)
    command.name = spec.name
    command.params = [each for each in command.params if each.name not in _COMPLETION_OPTIONS]
    if not spec.rich_help:
        _use_plain_help(command)
    return command


def _use_plain_help(command: Any) -> None:
    command.rich_markup_mode = None
    for child in getattr(command, "commands", {}).values():
        _use_plain_help(child)
