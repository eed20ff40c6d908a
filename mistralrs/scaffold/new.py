"""Writes a new plugin from the templates beside this file."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

import mistralrs
from mistralrs.errors import UsageError
from mistralrs.plugin.kinds import KINDS
from mistralrs.plugin.specs import API_VERSION

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"
SUFFIX: Final = ".tmpl"
PREFIX: Final = "mistralrs-"

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be written. ``package`` is the dotted name of the Python package, ``root`` the folder to make.

    ``files`` maps paths below the root to their content.
    """

    kind: str
    name: str
    package: str
    root: Path
    files: Mapping[str, str]

    def write(self) -> list[Path]:
        """Write the files. Raises :class:`UsageError` when the folder is there already."""
        if self.root.exists():
            raise UsageError(f"{self.root} exists already", "choose another name, or remove it")
        written = []
        for name, content in sorted(self.files.items()):
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
            written.append(path)
        return written


def plugin_name(word: str) -> str:
    """The plugin's name out of what the user typed: without the prefix that distributions have.

    Raises :class:`UsageError` for a word that cannot be the name of a plugin, a distribution and a package.
    """
    name = word.lower().replace("_", "-").removeprefix(PREFIX)
    if not _NAME.fullmatch(name) or keyword.iskeyword(name.replace("-", "_")):
        raise UsageError(f"{word!r} cannot be the name of a plugin", "letters, digits and single '-', as in acme-foo")
    return name


def plan_distribution(kind: str, word: str, folder: Path, own: Mapping[str, str] | None = None) -> Plan:
    """A distribution of its own, ``mistralrs-NAME`` below ``folder``.

    ``own`` replaces the template's modules with others, by their names (``plugin.py``).
    """
    name = plugin_name(word)
    package = f"{PREFIX}{name}".replace("-", "_")
    names = _names(kind, name, package)
    files = dict(_rendered("common", names))
    for path, text in _rendered(kind, names):
        if own is None or path.startswith("tests/"):
            files[path if path.startswith("tests/") else f"src/{package}/{path}"] = text
    files |= {f"src/{package}/{path}": text for path, text in (own or {}).items()}
    files.setdefault(f"src/{package}/__init__.py", f'"""{names["title"]}, a plugin of mistralrs."""\n')
    files[f"src/{package}/py.typed"] = ""
    return Plan(kind=kind, name=name, package=package, root=folder / f"{PREFIX}{name}", files=files)


def plan_builtin(kind: str, word: str, checkout: Path, own: Mapping[str, str] | None = None) -> Plan:
    """A folder among the built-ins of a checkout of this project; its tests are the ones all built-ins take."""
    name = plugin_name(word)
    module = name.replace("-", "_")
    home = checkout / "plugins" / "mistralrs_plugins"
    if not home.is_dir():
        raise UsageError(f"{checkout} is not a checkout of mistralrs", "--builtin works in a clone of its repository")
    package = f"mistralrs_plugins.{KINDS[kind].plural}.{module}"
    names = _names(kind, name, package)
    rendered = {path: text for path, text in _rendered(kind, names) if not path.startswith("tests/")}
    files = {"__init__.py": "", **(rendered if own is None else own)}
    return Plan(kind=kind, name=name, package=package, root=home / KINDS[kind].plural / module, files=files)


def _names(kind: str, name: str, package: str) -> dict[str, str]:
    """What templates may refer to."""
    major, minor = mistralrs.__version__.split(".")[:2]
    return {
        "kind": kind,
        "kinds": KINDS[kind].plural,
        "name": name,
        "package": package,
        "distribution": f"{PREFIX}{name}",
        "title": " ".join(word.capitalize() for word in name.split("-")),
        "class_name": "".join(word.capitalize() for word in name.split("-")),
        "constant": name.replace("-", "_").upper(),
        "module": name.replace("-", "_"),
        "conformance": f"{kind.capitalize()}Conformance",
        "api": ".".join(map(str, API_VERSION)),
        "needs": f"mistralrs-py>={major}.{minor},<{int(major) + 1}",
    }


def _rendered(folder: str, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The templates of a folder, filled in, by path."""
    root = TEMPLATES / folder
    for path in sorted(root.rglob(f"*{SUFFIX}")):
        content = Template(path.read_text(encoding="utf-8")).substitute(names)
        yield path.relative_to(root).as_posix().removesuffix(SUFFIX), content
