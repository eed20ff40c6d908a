"""Reads the entry points of installed distributions. Imports none of them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata
from importlib.metadata import EntryPoint
from typing import Final

from mistralrs.plugin.kinds import GROUP_PREFIX, KINDS, near
from mistralrs.plugin.policy import Policy
from mistralrs.plugin.records import PluginRecord, Status
from mistralrs.plugin.specs import NAME

UNKNOWN: Final = "unknown"


def installed() -> list[EntryPoint]:
    """Every entry point of a ``mistralrs.*`` group.

    The standard library gives up on all of them when one distribution's file is damaged; then each distribution is
    read by itself, and the damaged one is left out.
    """
    try:
        found: Iterable[EntryPoint] = metadata.entry_points()
    except Exception:
        found = _one_by_one()
    return [entry for entry in found if entry.group.startswith(GROUP_PREFIX)]


def _one_by_one() -> list[EntryPoint]:
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for distribution in metadata.distributions():
        try:
            name, entries = distribution.metadata["Name"], list(distribution.entry_points)
        except Exception:  # noqa: S112 - a damaged distribution is not ours to report
            continue
        if name not in seen:  # the first on the path wins, as in the standard library
            seen.add(name)
            found.extend(entries)
    return found


class Discovery:
    """The entry points as records, by kind, in the order they are registered: built-ins, then others by name."""

    def __init__(self, entry_points: Iterable[EntryPoint] | None, policy: Policy) -> None:
        self._entries = installed() if entry_points is None else list(entry_points)
        self._policy = policy
        self._owners: dict[int, tuple[str, str]] = {}  # by identity of the distribution: reading one costs 0.25 ms

    def of_kind(self, kind: str) -> list[PluginRecord]:
        """Records of one kind."""
        group = KINDS[kind].group
        records = [self._record(kind, entry) for entry in self._entries if entry.group == group]
        records.sort(key=lambda record: (not record.builtin, record.name, record.distribution))
        seen: dict[str, PluginRecord] = {}
        for record in records:
            if record.full_id in seen:
                record.turn(Status.BROKEN, f"{record.distribution} lists this entry point twice")
            seen.setdefault(record.full_id, record)
        return records

    def strays(self) -> list[PluginRecord]:
        """Records of ``mistralrs.*`` groups that no kind owns: a misspelt group must be seen."""
        groups = [kind.group for kind in KINDS.values()]
        records = []
        for entry in self._entries:
            if entry.group.startswith(GROUP_PREFIX) and entry.group not in groups:
                record = self._record(entry.group.removeprefix(GROUP_PREFIX), entry)
                record.turn(Status.BROKEN, f"no kind owns the group {entry.group!r}{near(entry.group, groups)}")
                records.append(record)
        return sorted(records, key=lambda record: record.full_id)

    def _record(self, kind: str, entry: EntryPoint) -> PluginRecord:
        name, version = self._owner(entry)
        record = PluginRecord(kind, entry.name, version, name, entry)
        if reason := self._policy.refuses(record.names, builtin=record.builtin):
            record.turn(Status.DISABLED, reason)
        elif not NAME.fullmatch(entry.name):
            record.turn(Status.BROKEN, f"{entry.name!r} is not a plugin name (lower case letters, digits, '.', '_', '-')")
        elif not EntryPoint.pattern.match(entry.value):
            record.turn(Status.BROKEN, f"{entry.value!r} is not of the form 'package.module'")
        return record

    def _owner(self, entry: EntryPoint) -> tuple[str, str]:
        """Name and version of the distribution; a damaged one is still listed."""
        distribution = entry.dist
        if distribution is None:
            return UNKNOWN, UNKNOWN
        if id(distribution) not in self._owners:
            try:
                found = distribution.metadata
                self._owners[id(distribution)] = found["Name"] or UNKNOWN, found["Version"] or UNKNOWN
            except Exception:
                self._owners[id(distribution)] = UNKNOWN, UNKNOWN
        return self._owners[id(distribution)]
