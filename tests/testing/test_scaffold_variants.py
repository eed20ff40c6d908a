"""What `plugins new` writes: names, a folder among the built-ins, variants. tests/ecosystem installs the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import mistralrs_plugins.architectures
from mistralrs.cli.main import run
from mistralrs.errors import UsageError
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.kinds import KINDS
from mistralrs.scaffold.new import TEMPLATES, plan_builtin, plan_distribution, plugin_name
from mistralrs.scaffold.variant import variant_of
from mistralrs.testing.paged import PagedModel
from mistralrs.testing.tiny import random_tensors, tiny_config
from mistralrs.weights import DictSource

MODEL_LINES, FOLDER_LINES = 20, 45


@pytest.mark.parametrize(
    ("word", "name"),
    [("acme-foo", "acme-foo"), ("mistralrs-acme", "acme"), ("Acme_Foo", "acme-foo"), ("foo2", "foo2")],
)
def test_names(word: str, name: str) -> None:
    assert plugin_name(word) == name


@pytest.mark.parametrize(
    "word", ["", "a b", "-foo", "foo-", "a--b", "2foo", "class", "f.o", "../x", "mistralrs-", "\u00e4"]
)
def test_what_cannot_be_a_name(word: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a plugin"):
        plugin_name(word)


def test_every_kind_has_a_template_and_a_test() -> None:
    for kind in KINDS:
        files = plan_distribution(kind, "acme", Path()).files
        assert {"src/mistralrs_acme/plugin.py", "tests/test_plugin.py", "pyproject.toml", "README.md"} <= set(files)
        assert f'mistralrs.{KINDS[kind].plural}"]\nacme = "mistralrs_acme.plugin"' in files["pyproject.toml"]
    assert {path.name for path in TEMPLATES.iterdir()} == {*KINDS, "common"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "plugins" / "mistralrs_plugins" / "architectures").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("origin", [None, "qwen3", "gemma2"])
def test_a_built_in_variant_is_one_small_folder(
    checkout: Path, origin: str | None, monkeypatch: pytest.MonkeyPatch, plugin_host: Callable[..., PluginHost]
) -> None:
    """Nothing outside it changes, not even a list; and the model it declares computes."""
    package = f"acme_{origin or 'plain'}"
    spec = PluginHost().resolve("architecture", origin) if origin else None
    own = variant_of(spec, plugin_name(package), f"mistralrs_plugins.architectures.{package}") if spec else None
    plan = plan_builtin("architecture", package, checkout, own)
    written = plan.write()
    folder = checkout / "plugins" / "mistralrs_plugins" / "architectures" / package
    assert {path.parent for path in written} == {folder}
    assert {path for path in checkout.rglob("*") if path.is_file()} == set(written)
    lines = {path.name: len(path.read_text().splitlines()) for path in written}
    assert lines["model.py"] <= MODEL_LINES
    assert sum(lines.values()) <= FOLDER_LINES

    monkeypatch.setattr(
        mistralrs_plugins.architectures, "__path__", [*mistralrs_plugins.architectures.__path__, str(folder.parent)]
    )
    found = {f"architecture/{plan.name}": f"{plan.package}.plugin"}
    declared = plugin_host(found, builtins=True).resolve("architecture", plan.name)
    config = tiny_config(declared)
    model = PagedModel(declared, config, DictSource(random_tensors(declared, config)))
    assert len(model.generate([1, 2, 3], 4)) == 4


def test_outside_a_checkout_there_are_no_built_ins(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a checkout"):
        plan_builtin("architecture", "acme", tmp_path)


def test_only_architectures_have_variants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "new", "--kind", "format", "--from", "gguf", "acme", "--into", str(tmp_path)]) == 2
    assert "not of a plugin of the kind format" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
