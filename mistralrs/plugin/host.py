"""The plugin host: finds plugins, lets in those that may run, and answers who provides a key.

Each step does no more than it must: :meth:`PluginHost.discover` reads metadata, :meth:`PluginHost.load` imports the
declarations of one kind, :meth:`PluginHost.load_ref` imports an implementation.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Any

import pluggy

from mistralrs.errors import MistralrsError, PluginError
from mistralrs.plugin import hookspecs, requirements, settings
from mistralrs.plugin.admission import admit
from mistralrs.plugin.contest import Ballot, Candidate
from mistralrs.plugin.discovery import Discovery
from mistralrs.plugin.facts import ModelFacts
from mistralrs.plugin.hookspecs import DECIDERS, EVENTS, PREFIX, PROJECT
from mistralrs.plugin.kinds import KINDS, kind_named, near
from mistralrs.plugin.policy import Policy
from mistralrs.plugin.records import PluginRecord, Status, describe
from mistralrs.plugin.ref import Ref
from mistralrs.plugin.specs import ArchitectureSpec, Spec

_log = logging.getLogger(__name__)


class PluginHost:
    """The plugins of one process under one policy. Safe to use from several threads.

    ``entry_points`` replaces those of the installed distributions (tests).
    """

    def __init__(self, policy: Policy | None = None, entry_points: Iterable[EntryPoint] | None = None) -> None:
        self.policy = policy or Policy()
        self._discovery = Discovery(entry_points, self.policy)
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._records: dict[str, list[PluginRecord]] = {}
        self._ballots: dict[str, Ballot] = {}
        self._muted: set[str] = set()
        self._lock = threading.RLock()

    def discover(self, kind: str) -> list[PluginRecord]:
        """The plugins of a kind, built-ins first. Imports nothing."""
        kind = kind_named(kind).name
        with self._lock:
            if kind not in self._records:
                self._records[kind] = self._discovery.of_kind(kind)
            return list(self._records[kind])

    def discover_all(self) -> list[PluginRecord]:
        """The plugins of every kind, and the entry points of groups that no kind owns. Imports nothing."""
        return [record for kind in KINDS for record in self.discover(kind)] + self._discovery.strays()

    def load(self, kind: str) -> list[PluginRecord]:
        """Import the declarations of a kind, once; the records say what became of each.

        Raises :class:`PluginError` only in strict mode.
        """
        with self._lock:
            records = self.discover(kind)
            if kind not in self._ballots:
                # Built-ins come first, because pluggy asks the last registered first: third parties before them.
                for record in records:
                    if record.status is Status.FOUND:
                        admit(record, self._manager, strict=self.policy.strict)
                self._ballots[kind] = Ballot(kind, records, self.policy)
                self._ballots[kind].mark_shadowed()
            return records

    def resolve(self, kind: str, key: str, *, facts: ModelFacts | None = None) -> Any:
        """The one spec that serves ``key``, of the record class of ``kind``.

        ``facts`` lets plugins that share the key say how well they fit. Raises :class:`PluginError` when nobody
        serves the key, or several do and registry.toml does not say who.
        """
        self.load(kind)
        ballot = self._ballots[kind]
        candidates = ballot.candidates(key)
        if len(candidates) > 1 and facts is not None:
            candidates = self._fittest(candidates, facts)
        if not candidates:
            raise ballot.nobody(key)
        if len(candidates) > 1:
            raise ballot.conflict(key, candidates)
        return candidates[0].spec

    def provides(self, kind: str, key: str) -> bool:
        """Whether anybody serves ``key``: what decides if the decision hooks are asked."""
        self.load(kind)
        return bool(self._ballots[kind].candidates(key))

    def specs(self, kind: str) -> list[Any]:
        """The specs of a kind that are in use, of the record class of ``kind``, built-ins first."""
        self.load(kind)
        return list(self._ballots[kind].specs())

    def conflicts(self, kind: str) -> dict[str, list[PluginRecord]]:
        """Keys of a kind that nobody can use, because several plugins serve them equally well."""
        self.load(kind)
        return self._ballots[kind].conflicts()

    def find(self, name: str) -> PluginRecord:
        """The plugin called ``name``: an id, an id with its distribution, or a name only one plugin has.

        Raises :class:`PluginError` with near matches, or with the ids among which to choose.
        """
        records = self.discover_all()
        found = [each for each in records if name in (each.id, each.full_id)]
        found = found or [each for each in records if name == each.name]
        if len(found) == 1:
            return found[0]
        if found:
            choices = ", ".join(each.full_id for each in found)
            raise PluginError(f"{len(found)} plugins are called {name!r}", f"say which: {choices}")
        message = (
            f"no plugin is called {name!r}{near(name, [word for each in records for word in (each.id, each.name)])}"
        )
        raise PluginError(message, "mistralrs plugins list")

    def owner(self, spec: Spec) -> PluginRecord | None:
        """The plugin a spec came from; None for one that was made elsewhere or crossed a process border."""
        with self._lock:
            records = [record for found in self._records.values() for record in found]
        return next((each for each in records if any(mine is spec for mine in each.specs)), None)

    def options(self, spec: Spec) -> Mapping[str, Any]:
        """The plugin's ``[options."kind/name"]`` table of registry.toml."""
        return self.policy.options.get(f"{spec.kind}/{spec.name}", {})

    def settings(self, spec: Spec) -> Any:
        """The same table as the pydantic model the declaration names; None for a plugin without one.

        Raises :class:`UsageError` naming the layer and the key that is wrong.
        """
        table = self.options(spec)
        if spec.options is None:
            return settings.refuse(table, spec, self.policy)
        return settings.validated(self.load_ref(spec, spec.options), table, spec, self.policy)

    def make(self, spec: Spec, ref: Ref, *arguments: Any) -> Any:
        """Call what a declaration points at; a plugin that declares ``options`` gets them by that keyword."""
        chosen = self.settings(spec)
        factory = self.load_ref(spec, ref)
        return factory(*arguments) if chosen is None else factory(*arguments, options=chosen)

    def load_ref(self, who: Spec | PluginRecord, ref: Ref) -> Any:
        """Import what a declaration points at.

        Raises :class:`PluginError`: with the way to install it when a package the plugin states in ``requires`` is
        missing, with the plugin's name and the cause chained when its code fails to import.
        """
        record = who if isinstance(who, PluginRecord) else self.owner(who)
        label = record.label if record else f"{who.kind}/{who.name}"
        requires = who.requires if isinstance(who, Spec) else tuple(n for s in who.specs for n in s.requires)
        try:
            return ref.load()
        except (KeyboardInterrupt, MistralrsError):
            raise
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in {name.partition(".")[0] for name in requires}:
                raise _defect(label, ref, error) from error
            hint = requirements.install_hint(record, package) if record else f"install {package!r}"
            if record is not None:
                record.turn(Status.UNAVAILABLE, f"needs {package!r}: {hint}")
            raise PluginError(f"{label} needs {package!r}", hint) from error
        except BaseException as error:  # SystemExit too: a plugin does not end the process
            raise _defect(label, ref, error) from error

    def decide(self, hook: str, **facts: Any) -> Any:
        """Ask a decision hook (with or without its prefix); the first answer that is not None, or None.

        Raises :class:`PluginError` naming the plugin whose answer failed.
        """
        name = _full_name(hook, DECIDERS)
        self.load(DECIDERS[name])
        caller = getattr(self._manager.hook, name)
        try:
            return caller(**facts)
        except (KeyboardInterrupt, MistralrsError):
            raise
        except BaseException as error:
            culprit = _culprit(caller.get_hookimpls(), error)
            raise PluginError(f"{name} of {culprit} failed: {describe(error)}", f"--no-plugin {culprit}") from error

    def notify(self, event: str, **facts: Any) -> None:
        """Tell an event (with or without its prefix) to whoever listens.

        A listener that raises is reported once and not called again, unless the policy is strict; the others are
        told all the same, which is why pluggy's own loop, which stops at the first exception, is not used.
        """
        name = _full_name(event, EVENTS)
        self.load("observer")
        for impl in reversed(getattr(self._manager.hook, name).get_hookimpls()):
            if impl.plugin_name in self._muted:
                continue
            arguments = [facts[argument] for argument in impl.argnames]
            try:
                impl.function(*arguments)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self._mute(impl.plugin_name, name, error)
                if self.policy.strict:
                    raise PluginError(f"{name} of {impl.plugin_name} failed: {describe(error)}") from error

    def _mute(self, plugin: str, event: str, error: BaseException) -> None:
        self._muted.add(plugin)
        _log.warning("%s of %s failed and will not be called again: %s", event, plugin, describe(error))
        record = self.find(plugin)
        if not record.specs:  # one that also contributes goes on doing so
            record.turn(Status.BROKEN, f"{event} raised {describe(error)}")

    def _fittest(self, candidates: Sequence[Candidate], facts: ModelFacts) -> list[Candidate]:
        """Those whose ``matches`` scores highest. Raises :class:`PluginError` when all say "not mine"."""
        scored = [(self._score(each.spec, facts), each) for each in candidates]
        best = max(score for score, _ in scored)
        if best < 0:
            names = ", ".join(each.record.label for each in candidates)
            raise PluginError(f"this model fits none of the plugins that share its key: {names}")
        return [each for score, each in scored if score == best]

    def _score(self, spec: Spec, facts: ModelFacts) -> int:
        if not isinstance(spec, ArchitectureSpec) or spec.matches is None:
            return 0
        matches = self.load_ref(spec, spec.matches)
        try:
            return int(matches(*facts))
        except Exception as error:
            record = self.owner(spec)
            label = record.label if record else spec.name
            raise PluginError(f"{spec.matches.target} of {label} failed: {describe(error)}") from error


def _full_name(hook: str, known: Iterable[str]) -> str:
    name = PREFIX + hook.removeprefix(PREFIX)
    if name not in known:
        raise ValueError(f"there is no such hook {name!r}{near(name, known)}")
    return name


def _defect(label: str, ref: Ref, error: BaseException) -> PluginError:
    """A failure that is the plugin's own mistake, not something the user can install."""
    hint = "this is a defect of the plugin; -v shows where"
    return PluginError(f"{label} failed to load {ref.target}: {describe(error)}", hint)


def _culprit(impls: Sequence[pluggy.HookImpl], error: BaseException) -> str:
    """The plugin in whose function an exception began; a hook call itself does not say."""
    by_code = {getattr(impl.function, "__code__", None): impl.plugin_name for impl in impls}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in by_code:
            return by_code[trace.tb_frame.f_code]
        trace = trace.tb_next
    return "a plugin"
