"""Fixture distributions: hand-written ``.dist-info`` folders and modules in a folder that is put on ``sys.path``."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from importlib import metadata
from importlib.metadata import EntryPoint
from pathlib import Path

ARCHITECTURE = """
from mistralrs.plugin import ArchitectureSpec, Ref, hookimpl

MISTRALRS_API = "{api}"


@hookimpl
def mistralrs_register_architectures():
    yield ArchitectureSpec(
        name="{name}",
        summary="{name} for tests",
        hf_names={keys!r},
        config=Ref("{module}:Config"),
        build=Ref("{module}:build"),
        {more}
    )


class Config:
    pass


def build():
    return "built by {name}"
"""


class Distributions:
    """A folder of installed distributions. Module names are made from distribution names."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self,
        name: str,
        version: str = "1.0",
        *,
        entry_points: Mapping[str, Mapping[str, str]] | None = None,
        modules: Mapping[str, str] | None = None,
        requires: Iterable[str] = (),
        extras: Iterable[str] = (),
    ) -> None:
        """Install one: ``entry_points`` by group, ``modules`` as source by dotted name."""
        info = self.root / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Requires-Dist: {each}" for each in requires] + [f"Provides-Extra: {each}" for each in extras]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        groups = (entry_points or {}).items()
        text = "\n".join(f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in rows.items()) for group, rows in groups)
        (info / "entry_points.txt").write_text(text + "\n")
        for module, source in (modules or {}).items():
            file = self.root.joinpath(*module.split(".")).with_suffix(".py")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(source))

    def architecture(
        self,
        distribution: str,
        *,
        name: str | None = None,
        version: str = "1.0",
        keys: Iterable[str] = (),
        api: str = "1.0",
        more: str = "",
        requires: Iterable[str] = (),
        extras: Iterable[str] = (),
    ) -> None:
        """Install a distribution with one architecture plugin; ``more`` is put into its spec as it is."""
        name = name or distribution
        module = f"{distribution}_{name}".replace("-", "_")
        source = ARCHITECTURE.format(name=name, keys=tuple(keys), api=api, module=module, more=more)
        self.plugin(distribution, source, name=name, version=version, requires=requires, extras=extras)

    def plugin(
        self,
        distribution: str,
        source: str,
        *,
        kind: str = "architectures",
        name: str | None = None,
        version: str = "1.0",
        requires: Iterable[str] = (),
        extras: Iterable[str] = (),
    ) -> None:
        """Install a distribution whose one plugin is declared by ``source``."""
        name = name or distribution
        module = f"{distribution}_{name}".replace("-", "_")
        self.add(
            distribution,
            version,
            entry_points={f"mistralrs.{kind}": {name: module}},
            modules={module: source},
            requires=requires,
            extras=extras,
        )

    def entry_points(self) -> list[EntryPoint]:
        """The entry points of these distributions and no others."""
        return [entry for each in metadata.distributions(path=[str(self.root)]) for entry in each.entry_points]
