"""Who serves a key that several plugins provide, and what to say when nobody or more than one does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from mistralrs.errors import PluginError
from mistralrs.plugin.kinds import near
from mistralrs.plugin.policy import Policy
from mistralrs.plugin.records import PluginRecord, Status, one_line
from mistralrs.plugin.specs import Spec

USABLE: Final = (Status.ACTIVE, Status.SHADOWED)

_KEY_SHOWN: Final = 100
_KEYS_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Candidate:
    """One contribution, and the plugin it came from."""

    record: PluginRecord
    spec: Spec


class Ballot:
    """The candidates of one kind by key."""

    def __init__(self, kind: str, records: Iterable[PluginRecord], policy: Policy) -> None:
        self._kind = kind
        self._records = list(records)
        self._policy = policy
        self._by_key: dict[str, list[Candidate]] = {}
        self._spelled: dict[str, str] = {}
        for record in self._records:
            for spec in record.specs:
                self._spelled.setdefault(_letters(spec.name), spec.name)
                for key in spec.keys:
                    self._by_key.setdefault(key, []).append(Candidate(record, spec))

    def candidates(self, key: str) -> list[Candidate]:
        """Who may serve the key: first what ``[prefer]`` names, else the built-ins, else everyone.

        A built-in goes before a third party because installing a package must never change what a key means.
        Of a name that nobody has exactly, only letters and digits count: ``qwen3_5`` is ``qwen3-5``.
        """
        if key not in self._by_key:
            key = self._spelled.get(_letters(key), key)
        usable = [each for each in self._by_key.get(key, ()) if each.record.status in USABLE]
        if pinned := self._policy.prefer.get(f"{self._kind}:{key}"):
            return [each for each in usable if pinned in each.record.names]
        return [each for each in usable if each.record.builtin] or usable

    def conflicts(self) -> dict[str, list[PluginRecord]]:
        """The plugins that share a key with nothing to choose between them: no preference, no ``matches``."""
        rivals = {key: self.candidates(key) for key in self._by_key}
        return {
            key: [each.record for each in found]
            for key, found in rivals.items()
            if len(found) > 1 and all(getattr(each.spec, "matches", None) is None for each in found)
        }

    def specs(self) -> list[Spec]:
        """The contributions that serve at least one key."""
        usable = [record for record in self._records if record.status in USABLE]
        return [spec for record in usable for spec in record.specs if self._serves(spec)]

    def _serves(self, spec: Spec) -> bool:
        return any(each.spec is spec for key in spec.keys for each in self.candidates(key))

    def mark_shadowed(self) -> None:
        """Give plugins that lost a key their status, with the line of registry.toml that would change it."""
        for key in self._by_key:
            winners = [each.record for each in self.candidates(key)]
            for each in self._by_key[key]:
                if each.record.status is Status.ACTIVE and winners and each.record not in winners:
                    each.record.turn(Status.SHADOWED, self._lost(key, each.record, winners[0]))

    def _lost(self, key: str, loser: PluginRecord, winner: PluginRecord) -> str:
        entry = f"{self._kind}:{key}"
        served = f"{key!r} is served by {winner.label}"
        if entry in self._policy.prefer:
            return f"{served}, as [prefer] in {self._policy.layer('prefer', entry)} says"
        choice = loser.distribution if loser.distribution != winner.distribution else loser.id
        return f'{served}; to change that: [prefer] "{entry}" = "{choice}"'

    def conflict(self, key: str, rivals: Sequence[Candidate]) -> PluginError:
        """The error for a key that several plugins serve equally well."""
        names = ", ".join(each.record.label for each in rivals)
        return PluginError(
            f"{len(rivals)} plugins provide {self._kind} {key!r}: {names}. "
            f'Choose one in registry.toml: [prefer] "{self._kind}:{key}" = "<distribution>"'
        )

    def nobody(self, key: str) -> PluginError:
        """The error for a key nobody serves: what is installed but may not, else the near and known keys."""
        shown = one_line(key)[:_KEY_SHOWN]
        message = f"no {self._kind} plugin provides {shown!r}"
        hint = f"mistralrs plugins list --kind {self._kind}"
        if pinned := self._policy.prefer.get(f"{self._kind}:{key}"):
            layer = self._policy.layer("prefer", f"{self._kind}:{key}")
            return PluginError(f"{message} as {pinned!r}, which [prefer] in {layer} asks for", hint)
        idle = self._idle(key)
        if idle and idle.status is Status.UNAVAILABLE:
            needs, _, remedy = idle.reason.partition(": ")
            return PluginError(f"{idle.label} {needs}", remedy)
        if idle:
            return PluginError(f"{message}: {idle.label} is {idle.status}: {idle.reason}", hint)
        keys = sorted(known for known in self._by_key if self.candidates(known))
        return PluginError(message + (near(shown, keys) or _known(keys)), hint)

    def _idle(self, key: str) -> PluginRecord | None:
        """A plugin that seems to be meant but is not in use; one that was never imported is known by its name only."""
        spelled = _letters(key)
        for record in self._records:
            meant = key in record.keys or (not record.specs and _letters(record.name) in spelled)
            if record.status not in USABLE and meant:
                return record
        return None


def _letters(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _known(keys: Sequence[str]) -> str:
    if not keys:
        return "; known: none"
    more = f" and {len(keys) - _KEYS_SHOWN} more" if len(keys) > _KEYS_SHOWN else ""
    return f"; known: {', '.join(map(repr, keys[:_KEYS_SHOWN]))}{more}"
