"""Every built-in can be taken away: no folder needs another one."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from itertools import groupby
from pathlib import Path
from types import ModuleType

import pytest
from ecosystem import REPOSITORY, Environment

from mistralrs.plugin import Ref
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.kinds import KINDS
from mistralrs.plugin.policy import ESSENTIAL
from mistralrs.plugin.records import Status

PACKAGE = "mistralrs_plugins"
FOLDERS = sorted(path.parent for path in (REPOSITORY / "plugins" / PACKAGE).glob("*/*/plugin.py"))
NEEDED_TO_RUN = {
    "architectures/llama",
    "formats/safetensors",
    "frontends/run",
    "kernels/torch",
    "sources/local",
    "tokenizers/huggingface",
}


ONE_OF_EACH_KIND = [next(group) for _, group in groupby(FOLDERS, key=lambda folder: folder.parent)]


class Removed(MetaPathFinder):
    """Makes folders of built-ins impossible to import, as if they were gone. ``gone`` is asked with a dotted name."""

    def __init__(self, gone: Callable[[str], bool]) -> None:
        self.gone = gone

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        words = name.split(".")
        if words[0] == PACKAGE and len(words) > 2 and self.gone(".".join(words[:3])):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forgets the built-ins that were imported before, and brings them back afterwards."""
    kept = {name: module for name, module in sys.modules.items() if name.startswith(PACKAGE)}
    for name in kept:
        del sys.modules[name]
    yield
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]
    sys.modules.update(kept)


def dotted(folder: Path) -> str:
    return f"{PACKAGE}.{folder.parent.name}.{folder.name}"


def title(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def check_all_but(gone: Callable[[str], bool]) -> int:
    """What is gone is broken, and everything else loads, whatever it refers to included; returns how many did."""
    host, working = PluginHost(), 0
    for kind in KINDS:
        for record in host.load(kind):
            if gone(".".join(record.entry_point.module.split(".")[:3])):
                assert record.status is Status.BROKEN
                continue
            assert record.status is Status.ACTIVE, record.reason
            working += 1
            for spec in record.specs:
                for item in fields(spec):
                    if isinstance(ref := getattr(spec, item.name), Ref):
                        host.load_ref(spec, ref)
    return working


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("folder", FOLDERS, ids=title)
def test_a_folder_needs_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All the others are gone at once: so it can miss none of them."""

    def gone(name: str) -> bool:
        return name != dotted(folder)

    monkeypatch.setattr(sys, "meta_path", [Removed(gone), *sys.meta_path])
    assert check_all_but(gone) == 1


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("folder", ONE_OF_EACH_KIND, ids=title)
def test_without_one_folder_all_others_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(name: str) -> bool:
        return name == dotted(folder)

    monkeypatch.setattr(sys, "meta_path", [Removed(gone), *sys.meta_path])
    assert check_all_but(gone) == len(FOLDERS) - 1


def test_the_essential_ones_exist() -> None:
    present = {f"{record.kind}/{record.name}" for kind in KINDS for record in PluginHost().discover(kind)}
    assert present >= ESSENTIAL


@pytest.mark.slow
def test_a_model_runs_with_the_few_it_needs(
    environment: Environment, tiny_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """All the others removed from an installed copy at once."""
    site = Path(
        environment.run(environment.python, "-c", "import mistralrs_plugins as p; print(p.__path__[0])").strip()
    )
    copy = tmp_path / "site" / PACKAGE
    shutil.copytree(site, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for declaration in copy.glob("*/*/plugin.py"):
        folder = declaration.parent
        if f"{folder.parent.name}/{folder.name}" not in NEEDED_TO_RUN:
            shutil.rmtree(folder)
    folder = tiny_checkpoint("llama")
    answer = environment.mistralrs(
        *("run", "-m", folder, "-i", "hello", "--max-tokens", "3", "--json"), PYTHONPATH=str(copy.parent)
    )
    assert json.loads(answer)
