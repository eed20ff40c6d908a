"""Lets one plugin in: imports its declaration, checks it, registers its hooks, and collects what it contributes.

Whatever a plugin does wrong on this way is written on its record and leaves nothing behind; the others go on.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Final

import pluggy

from mistralrs.errors import PluginError
from mistralrs.plugin import requirements
from mistralrs.plugin.hookspecs import DECIDERS, EVENTS, PREFIX
from mistralrs.plugin.kinds import KINDS, near
from mistralrs.plugin.records import PluginRecord, Status, describe
from mistralrs.plugin.specs import API_VERSION, Spec

_log = logging.getLogger(__name__)

HEAVY: Final = ("torch", "transformers", "tensorflow", "jax")
"""Packages that take seconds to import."""

SLOW: Final = 0.5
"""Seconds after which importing a declaration is remarked on."""

_API: Final = re.compile(r"(\d+)\.(\d+)")


class Refusal(Exception):
    """A plugin breaks a rule of the interface; the text is the reason on its record."""


def admit(record: PluginRecord, manager: pluggy.PluginManager, *, strict: bool) -> None:
    """Bring a found plugin to active, or to the status that says why not.

    With ``strict`` a broken plugin raises :class:`PluginError` with the cause chained to it.
    """
    try:
        with contextlib.redirect_stdout(sys.stderr):  # a declaration that prints must not end up in --json
            _admit(record, manager)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit and its like included: a plugin does not end the process
        _unregister(record, manager)
        record.specs = []
        if needed := requirements.unmet(record):  # says more than whatever failed because of it
            record.turn(Status.INCOMPATIBLE, f"needs {needed}")
            return
        record.turn(Status.BROKEN, str(error) if isinstance(error, Refusal) else describe(error))
        if strict:
            raise PluginError(f"{record.label} is broken: {record.reason}") from error


def _admit(record: PluginRecord, manager: pluggy.PluginManager) -> None:
    module = _import(record)
    newer = _check_api(record, module)
    if record.status is Status.INCOMPATIBLE:
        return
    _check_hooks(record, module, manager, lenient=newer)
    _register(record, module, manager)
    record.specs = list(_collect(record, module, manager))
    _check_specs(record)
    record.status = Status.ACTIVE
    for spec in record.specs:
        if package := requirements.missing(spec.requires):
            _unregister(record, manager)  # it cannot work, so its hooks are not asked either
            hint = requirements.install_hint(record, package)
            record.turn(Status.UNAVAILABLE, f"needs {package!r}: {hint}")
            return


def _import(record: PluginRecord) -> ModuleType:
    """Import the declaration, and note on the record what that cost everybody."""
    absent = [name for name in HEAVY if name not in sys.modules]
    started = time.perf_counter()
    module: ModuleType = record.entry_point.load()
    seconds = time.perf_counter() - started
    heavy = [name for name in absent if name in sys.modules]
    if heavy and threading.active_count() == 1:  # else another thread may have been the one
        record.reason = f"imports {heavy[0]} to be declared, which every start pays for"
    elif seconds > SLOW:
        record.reason = f"takes {seconds:.1f} s to be declared, which every start pays for"
    return module


def _register(record: PluginRecord, module: ModuleType, manager: pluggy.PluginManager) -> None:
    """Hand the hooks to pluggy, once: one module may declare plugins of several kinds, each with its entry point."""
    taken = manager.get_name(module)
    if taken is None:
        manager.register(module, name=record.full_id)
    elif taken.startswith(f"{record.kind}/"):
        raise Refusal(f"shares its module with {taken}: one entry point is one plugin")


def _check_api(record: PluginRecord, module: ModuleType) -> bool:
    """Compare the version the declaration states; True when it was written for a newer minor one."""
    stated = getattr(module, "MISTRALRS_API", None)
    if stated is None:
        return False
    match = _API.fullmatch(stated) if isinstance(stated, str) else None
    if match is None:
        raise Refusal(f"MISTRALRS_API must be a string 'major.minor', not {stated!r}")
    major, minor = int(match[1]), int(match[2])
    ours = ".".join(map(str, API_VERSION))
    if major != API_VERSION[0]:
        record.turn(Status.INCOMPATIBLE, f"written for plugin API {stated}, this is {ours}")
    elif minor > API_VERSION[1]:
        record.reason = f"written for plugin API {stated}, newer than {ours}"
        _log.warning("%s was %s", record.label, record.reason)
        return True
    return False


def _check_hooks(record: PluginRecord, module: ModuleType, manager: pluggy.PluginManager, *, lenient: bool) -> None:
    """Refuse hooks that would never be called: misspelt, of a newer interface, or nothing at all.

    ``lenient`` accepts unknown names, for a plugin that states a newer minor version.
    """
    known = [name for name in vars(manager.hook) if name.startswith(PREFIX)]
    options = {name: manager.parse_hookimpl_opts(module, name) for name in dir(module)}
    implemented = {opts.get("specname") or name: opts for name, opts in options.items() if opts is not None}
    for name, opts in implemented.items():
        if name not in known and not lenient and not opts["optionalhook"]:
            raise Refusal(f"there is no hook {name!r}{near(name, known)}")
        if (opts["wrapper"] or opts["hookwrapper"]) and name not in DECIDERS:
            raise Refusal(f"{name} cannot be a wrapper: only decisions can be wrapped")
    registration = KINDS[record.kind].hook
    wanted = {registration} if registration else EVENTS
    if not wanted & implemented.keys():
        raise Refusal(f"{record.entry_point.value} implements none of: {', '.join(sorted(wanted))}")


def _collect(record: PluginRecord, module: ModuleType, manager: pluggy.PluginManager) -> Iterator[Spec]:
    """What the registration hook of this very module yields; called by itself so that every result has an owner."""
    kind = KINDS[record.kind]
    if kind.hook is None or kind.spec is None:
        return
    for impl in getattr(manager.hook, kind.hook).get_hookimpls():
        for spec in impl.function() or () if impl.plugin is module else ():
            if not isinstance(spec, kind.spec):
                raise Refusal(f"{kind.hook} gave {type(spec).__name__}, not {kind.spec.__name__}")
            yield spec


def _check_specs(record: PluginRecord) -> None:
    """The names and keys of one plugin: none twice, and one of them the entry point's."""
    if KINDS[record.kind].spec is None:
        return
    names = [spec.name for spec in record.specs]
    if record.name not in names:
        declared = ", ".join(map(repr, names)) or "nothing"
        raise Refusal(f"the entry point is called {record.name!r}, but the plugin declares {declared}")
    keys = record.keys
    if repeated := [key for key in keys if keys.count(key) > 1]:
        raise Refusal(f"gives the key {repeated[0]!r} twice")


def _unregister(record: PluginRecord, manager: pluggy.PluginManager) -> None:
    if manager.has_plugin(record.full_id):
        manager.unregister(name=record.full_id)
