"""Exams of several plugins: what goes wrong with one costs the others nothing, and Ctrl-C gives what is known."""

from __future__ import annotations

import itertools
import json
import os
import pty
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from distributions import Distributions

from mistralrs.cli.main import run
from mistralrs.testing import examiner
from mistralrs.testing.examiner import Exam, examine

DECLARATION = """
from mistralrs.plugin import Ref, SourceSpec, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_sources():
    yield SourceSpec(name="{name}", summary="s", schemes=("{name}",), source=Ref("{name}_code:Source"))
"""
SOUND = """
from mistralrs.errors import SourceError

class Source:
    def fetch(self, request):
        raise SourceError(f"there is no {request.reference[:99]!r}")

    def cached(self, folder):
        return ()

    def delete(self, model):
        raise SourceError("not mine")
"""
DEADLY = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
ENDLESS = """
import pathlib, time
pathlib.Path(__file__).with_suffix(".reached").touch()
while True:
    time.sleep(60)
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A distribution of three sources: one ends the process that imports it, one is sound, one never lets go."""
    codes = {"deadly": DEADLY, "sound": SOUND, "endless": ENDLESS}
    modules = {f"{name}_plugin": DECLARATION.format(name=name) for name in codes}
    modules |= {f"{name}_code": code for name, code in codes.items()}
    Distributions(tmp_path).add(
        "acme", entry_points={"mistralrs.sources": {name: f"{name}_plugin" for name in codes}}, modules=modules
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_a_plugin_that_dies_or_hangs_costs_its_own_exam_only(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    class Counted(examiner._Session):
        def __init__(self, plugins: list[str], *rest: object) -> None:
            started.append(plugins)
            super().__init__(plugins, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(examiner, "_Session", Counted)
    hours = itertools.count(0, 3600)
    reached = site / "endless_code.reached"
    exams: dict[str, Exam] = {}
    over = []
    # Time stands still until the last one hangs, however slow the machine is.
    for exam in examine(
        [f"source/{name}@acme" for name in ("deadly", "sound", "endless")],
        600,
        clock=lambda: float(next(hours)) if reached.exists() else 0.0,
    ):
        exams[exam.plugin.partition("@")[0]] = exam
        over += [exam.plugin] if exam.over else []
    assert over == ["source/deadly@acme", "source/sound@acme", "source/endless@acme"]
    ends = {name: exam.findings[-1] for name, exam in exams.items()}
    for name, why in (("deadly", "ended by SIGKILL"), ("endless", "nothing happened for 600 s")):
        assert (ends[f"source/{name}"].test, ends[f"source/{name}"].result) == ("every reference resolves", "failed")
        assert why in ends[f"source/{name}"].note
    sound = exams["source/sound"].findings
    assert len(sound) == exams["source/sound"].cases > 15
    assert {finding.result for finding in sound} == {"passed", "skipped"}
    # The sound one and the last shared a process: one for the three, one for what was left.
    assert [len(plugins) for plugins in started] == [3, 2]


@pytest.mark.slow
def test_an_interrupt_gives_the_results_so_far(site: Path) -> None:
    """On a terminal, with the progress of the one that was running."""
    command = [sys.executable, "-m", "mistralrs", "plugins", "check", "sound", "endless", "--json"]
    screen, terminal = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "NO_COLOR": "1"}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=terminal
    ) as process:
        os.close(terminal)
        shown = b""
        while b"source/endless@acme \xe2" not in shown:  # its bar
            shown += os.read(screen, 4096)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        rows = json.loads(process.stdout.read())
        shown += _rest(screen)
    assert process.returncode == 130
    examined = Counter(row["plugin"] for row in rows)
    assert examined["source/sound@acme"] > 15
    assert examined["source/endless@acme"]
    assert {row["result"] for row in rows} == {"passed", "skipped"}
    assert "[1/2] source/sound@acme: " in shown.decode()
    assert "interrupted" in shown.decode()
    assert b"\x1b[3" not in shown, "NO_COLOR"


def _rest(screen: int) -> bytes:
    """What is left on a terminal that nobody writes to any more."""
    shown = b""
    try:
        while chunk := os.read(screen, 4096):
            shown += chunk
    except OSError:  # how Linux ends a terminal without writers
        os.close(screen)
    return shown


def test_nothing_to_examine_is_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plugins", "check"]) == 2
    assert "--kind" in capsys.readouterr().err
    assert run(["plugins", "check", "--kind", "architectures"]) == 2
    assert "did you mean" in capsys.readouterr().err
