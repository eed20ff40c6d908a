"""Reads the entry points of installed distributions. Imports none of them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from importlib import metadata
from importlib.metadata import EntryPoint
from typing import Final

from mistralrs.plugin.kinds import GROUP_PREFIX, KINDS, near
from mistralrs.plugin.policy import Policy
from mistralrs.plugin.records import PluginRecord, Status, describe
from mistralrs.plugin.specs import NAME

_log = logging.getLogger(__name__)

UNKNOWN: Final = "unknown"


def installed() -> list[EntryPoint]:
    """Every entry point of a ``mistralrs.*`` group.

    Reads distributions one by one: ``importlib.metadata.entry_points`` parses the groups of all programs, and gives
    up on all of them when the file of one distribution is damaged.
    """
    found: dict[str, list[EntryPoint]] = {}
    for distribution in metadata.distributions():
        try:
            if f"[{GROUP_PREFIX}" in (distribution.read_text("entry_points.txt") or ""):
                entries = [each for each in distribution.entry_points if each.group.startswith(GROUP_PREFIX)]
                found.setdefault(distribution.metadata["Name"], entries)  # the first on the path is the one imported
        except Exception as error:
            _log.warning("the entry points of an installed distribution cannot be read: %s", describe(error))
    return [entry for entries in found.values() for entry in entries]


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
            record.turn(
                Status.BROKEN, f"{entry.name!r} is not a plugin name (lower case letters, digits, '.', '_', '-')"
            )
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
