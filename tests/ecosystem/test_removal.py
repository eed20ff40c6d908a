"""Every built-in can be taken away: no folder needs another one."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
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


class Removed(MetaPathFinder):
    """Makes a package impossible to import, as if its folder were gone."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if f"{name}.".startswith(f"{self.package}."):
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


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_without_one_folder_all_others_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = f"{PACKAGE}.{folder.parent.name}.{folder.name}"
    monkeypatch.setattr(sys, "meta_path", [Removed(gone), *sys.meta_path])
    host = PluginHost()
    for kind in KINDS:
        for record in host.load(kind):
            if record.entry_point.module.startswith(f"{gone}."):
                assert record.status is Status.BROKEN
                continue
            assert record.status is Status.ACTIVE, record.reason
            for spec in record.specs:
                for item in fields(spec):
                    if isinstance(ref := getattr(spec, item.name), Ref):
                        host.load_ref(spec, ref)


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
