"""``mistralrs doctor``, and the gathering behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mistralrs.api import system
from mistralrs.cli.main import run
from mistralrs.errors import PluginError
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy

SECRET = "hf_verySecret"


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRALRS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", SECRET)


def test_json(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "cache" / "tokenizers"
    folder.mkdir(parents=True)
    (folder / "one").write_bytes(b"12345")
    status = run(["doctor", "--json", "--no-network"])
    printed = capfd.readouterr().out
    found = json.loads(printed)
    assert SECRET not in printed
    assert found["hub"]["token"] is True
    assert found["environment"]["memory_bytes"] > found["environment"]["available_memory_bytes"] > 0
    assert 1 <= found["environment"]["usable_cpus"] <= found["environment"]["cpus"]
    assert found["installation"]["packages"]["torch"]
    assert {"name": "tokenizers", "bytes": 5, "path": str(folder)} in found["caches"]
    assert found["kernels"][0]["name"] == "cpu"
    assert found["kernels"][0]["usable"] is True
    checks = {(check["level"], check["subject"]) for check in found["checks"]}
    assert ("ok", "kernels/cpu") in checks
    assert status == (found["status"] == "error")


def test_lines_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    run(["doctor", "--no-network"])
    printed = capfd.readouterr().out
    assert SECRET not in printed
    for name in ("system", "processor", "memory", "accelerator", "installed", "packages", "kernels", "hub"):
        assert f"\n{name} " in f"\n{printed}"
    assert "ok: kernels/cpu: computes on the CPU" in printed


def test_kernels_that_cannot_be_used_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    host = PluginHost(Policy())
    make = host.make

    def refuse(spec: Any, ref: Any, *arguments: Any) -> Any:
        if spec.name == "cpu":
            raise PluginError("kernels/cpu needs 'numba'", "pip install numba")
        return make(spec, ref, *arguments)

    monkeypatch.setattr(host, "make", refuse)
    found = system.examine(host)
    assert found["kernels"][0]["usable"] is False
    problems = {check["subject"]: (check["level"], check["problem"]) for check in found["checks"]}
    assert problems["kernels/cpu"] == ("warning", "is not used: kernels/cpu needs 'numba'")
    assert problems["kernels/torch"] == ("ok", "computes on the CPU")


def test_without_looking_deep_nothing_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    host = PluginHost(Policy())
    monkeypatch.setattr(system, "_accelerators", lambda: pytest.fail("torch was asked"))
    facts = system.system_info(host, deep=False)
    assert facts["accelerators"] is None
    assert {each["usable"] for each in facts["kernels"]} == {None}


def test_a_full_disk_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "LEAST_DISK", 1 << 62)
    (check,) = system._disk_checks({"hub": {"cache": str(tmp_path / "not" / "there")}})
    assert (check.level, check.subject) == ("warning", "disk")
    assert "HF_HOME" in check.fix


@pytest.mark.parametrize(
    ("hub", "levels"),
    [
        ({"endpoint": "http://127.0.0.1:9", "offline": False, "token": True}, ["warning"]),
        ({"endpoint": "no address", "offline": False, "token": True}, ["warning"]),
        ({"endpoint": "http://127.0.0.1:9", "offline": True, "token": False}, ["note", "note"]),
    ],
)
def test_the_hub(hub: dict[str, Any], levels: list[str]) -> None:
    assert [check.level for check in system._hub_checks({"hub": hub})] == levels
