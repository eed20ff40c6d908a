"""What a plugin's distribution asks for: whether this release satisfies it, and which extra brings a package."""

from __future__ import annotations

import importlib.util
import re
import sys
from importlib.metadata import Distribution

import mistralrs
from mistralrs.plugin.records import BUILTIN, PluginRecord

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)['"]""")


def unmet(record: PluginRecord) -> str:
    """The requirement on this package that the installed release does not satisfy, or an empty string.

    Looked at only after a plugin failed, so ``packaging`` stays off the usual path.
    """
    if record.builtin:  # the two are one release
        return ""
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        return ""
    for text in _requirements(record.entry_point.dist):
        try:
            requirement = Requirement(text)
            if _canonical(requirement.name) != BUILTIN:
                continue
            if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
                continue
        except InvalidRequirement:
            continue
        if not requirement.specifier.contains(mistralrs.__version__, prereleases=True):
            return f"{BUILTIN}{requirement.specifier}"
    return ""


def missing(requires: tuple[str, ...]) -> str:
    """The first of these import names that is not installed, or an empty string. Imports nothing."""
    return next((name for name in requires if not _importable(name.partition(".")[0])), "")


def _importable(name: str) -> bool:
    if name in sys.modules:
        return sys.modules[name] is not None
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def install_hint(record: PluginRecord, module: str) -> str:
    """How to get the package that provides ``module``: by the extra that lists it, else by its name."""
    package = _canonical(module.partition(".")[0])
    for text in _requirements(record.entry_point.dist):
        name, extra = _REQUIREMENT.match(text), _EXTRA.search(text)
        if name and extra and _canonical(name[1]) == package:
            return f"pip install '{record.distribution}[{extra[1]}]'"
    return f"install the package that provides the module {module!r}"


def _requirements(distribution: Distribution | None) -> list[str]:
    try:
        return list(distribution.requires or ()) if distribution else []
    except Exception:  # a damaged METADATA file asks for nothing
        return []


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
