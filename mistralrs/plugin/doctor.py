"""What is wrong with the installed plugins, each with the line that would fix it."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.kinds import KINDS, near
from mistralrs.plugin.records import BUILTIN, PluginRecord, Status

ORIGINAL: Final = "mistralrs"
"""The distribution of the original's wheel, which has the same import name."""

BUILTIN_PACKAGE: Final = "mistralrs_plugins"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem. ``level`` is ``error`` (something does not work), ``warning`` or ``note``; ``fix`` may be empty."""

    level: str
    subject: str
    problem: str
    fix: str = ""


def diagnose(host: PluginHost) -> list[Finding]:
    """Load everything and say what is not as it should be, errors first. Raises only in strict mode."""
    for kind in KINDS:
        host.load(kind)
    found = [
        *_same_import_name(),
        *_stale(host),
        *(finding for record in host.discover_all() for finding in _status(record)),
        *_conflicts(host),
        *_idle_policy(host),
    ]
    order = ("error", "warning", "note")
    return sorted(found, key=lambda finding: order.index(finding.level))


def _same_import_name() -> Iterator[Finding]:
    try:
        version = metadata.version(ORIGINAL)
    except metadata.PackageNotFoundError:
        return
    yield Finding(
        level="error",
        subject=ORIGINAL,
        problem=f"the original's wheel ({ORIGINAL} {version}) is installed too; both provide the package 'mistralrs'",
        fix=f"pip uninstall {ORIGINAL} && pip install --force-reinstall --no-deps {BUILTIN}",
    )


def _stale(host: PluginHost) -> Iterator[Finding]:
    """Folders of built-ins without an entry point: an editable install is as old as its last ``pip install``."""
    listed = {record.entry_point.module for kind in KINDS for record in host.discover(kind) if record.builtin}
    root = _builtin_root()
    if root is None:
        return
    present = {f"{BUILTIN_PACKAGE}.{path.parts[-3]}.{path.parts[-2]}.plugin" for path in root.glob("*/*/plugin.py")}
    again = f"pip install --no-deps -e {root.parent.parent}"
    for module in sorted(present - listed):
        yield Finding(
            level="error", subject=module, problem="is a folder without an entry point: install again", fix=again
        )
    for module in sorted(listed - present):
        yield Finding(level="error", subject=module, problem="is an entry point without a folder", fix=again)


def _builtin_root() -> Path | None:
    spec = importlib.util.find_spec(BUILTIN_PACKAGE)
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places else None


def _status(record: PluginRecord) -> Iterator[Finding]:
    """A record's own problem. The reasons of unavailable and shadowed plugins end with their fix."""
    problem, _, fix = record.reason.partition(": ")
    if record.status is Status.BROKEN:
        remedy = f"pip install --upgrade {record.distribution}, or: mistralrs plugins disable {record.id}"
        yield Finding(level="error", subject=record.label, problem=f"is broken: {record.reason}", fix=remedy)
    elif record.status is Status.INCOMPATIBLE:
        yield Finding(
            level="error",
            subject=record.label,
            problem=f"is incompatible: {record.reason}",
            fix=f"pip install --upgrade {record.distribution}",
        )
    elif record.status is Status.ACTIVE and record.reason:
        yield Finding(level="note", subject=record.label, problem=record.reason)
    elif record.status is Status.UNAVAILABLE:
        yield Finding(level="warning", subject=record.label, problem=problem, fix=fix)
    elif record.status is Status.SHADOWED:
        yield Finding(
            level="note",
            subject=record.label,
            problem=f"is shadowed: {problem.removesuffix('; to change that')}",
            fix=fix,
        )


def _conflicts(host: PluginHost) -> Iterator[Finding]:
    for kind in KINDS:
        for key, rivals in host.conflicts(kind).items():
            names = ", ".join(record.label for record in rivals)
            choice = rivals[0].distribution if len({each.distribution for each in rivals}) > 1 else rivals[0].id
            yield Finding(
                level="warning",
                subject=f"{kind}:{key}",
                problem=f"several plugins serve it equally well, so using it is an error: {names}",
                fix=f'[prefer] "{kind}:{key}" = "{choice}"',
            )


def _idle_policy(host: PluginHost) -> Iterator[Finding]:
    """Decisions about plugins that are not installed."""
    policy, records = host.policy, host.discover_all()
    known = frozenset[str]().union(*(record.names for record in records))
    for name in sorted(policy.disabled - known):
        layer = policy.layer("disable", name)
        yield Finding(
            level="note", subject=layer, problem=f"disables {name!r}, which is not installed{near(name, known)}"
        )
    for key, winner in policy.prefer.items():
        if winner not in known:
            problem = f"prefers {winner!r} for {key}, which is not installed{near(winner, known)}"
            yield Finding(
                level="error",
                subject=policy.layer("prefer", key),
                problem=problem,
                fix=f"remove [prefer] {key!r} or install it",
            )
    for plugin in policy.options:
        if plugin not in known:
            yield Finding(
                level="note", subject=f'[options."{plugin}"]', problem=f"is not installed{near(plugin, known)}"
            )
