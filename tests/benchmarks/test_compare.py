"""The comparison with other engines, on contestants that are scripts of a few lines."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from benchmarks import compare, contestants
from benchmarks.compare import OURS, as_object, compete, median, ratios, table
from benchmarks.contestants import ContestantError, Figures, Peer, Task, run_ours

BENCH = """
import json, sys
assert sys.argv[1:3] == ["bench", "-m"], sys.argv
assert "--json" in sys.argv and sys.argv[sys.argv.index("--depth") + 1] == "7"
print(json.dumps([
    {"test": "pp64", "depth": 0, "tokens_per_second": 300.0},
    {"test": "tg16", "depth": 7, "tokens_per_second": 20.0},
    {"test": "load", "seconds": 0.5, "peak_rss_bytes": 300, "rss_after_imports_bytes": 100},
]))
"""

ENGINE = """
print("noise on standard output")

class Engine:
    def __init__(self, model, threads, context):
        assert (model[-4:], threads, context >= 4096) == ("gguf", 2, True)
        self.runs = 0

    def prompt(self, length):
        self.runs += 1
        return float(length * self.runs)

    def decode(self, depth, new):
        return float(depth + new)
"""

FIGURES = Figures(load=1.0, prompt=100.0, decode=10.0, peak=2.0, imports=1.0)


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(model=tmp_path / "model.gguf", threads=2, iterations=3, prompt=64, new=16, depth=7)


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Peer]:
    """A peer whose environment is this one and whose module is the given text."""

    def make(source: str) -> Peer:
        folder = tmp_path / "peers"
        folder.mkdir()
        (folder / "fake_engine.py").write_text(source)
        (folder / "worker.py").write_text((contestants.PEERS / "worker.py").read_text())
        monkeypatch.setattr(contestants, "PEERS", folder)
        python = tmp_path / "home" / "fake" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("MISTRALRS_PEERS", str(tmp_path / "home"))
        return Peer(name="fake", module="fake_engine", requirements=())

    return make


def test_ours_is_measured_through_its_command(tmp_path: Path, task: Task) -> None:
    script = tmp_path / "ours.py"
    script.write_text(BENCH)
    figures = run_ours([sys.executable, str(script)], task)
    assert figures == Figures(load=0.5, prompt=300.0, decode=20.0, peak=300, imports=100)


def test_a_peer_is_measured_in_its_environment(peer: Callable[[str], Peer], task: Task) -> None:
    figures = peer(ENGINE).run(task)
    assert figures.prompt == 64 * 3  # the first of four runs does not count: the median of 2, 3 and 4
    assert figures.decode == 7 + 16
    assert figures.peak >= figures.imports > 1 << 20
    assert figures.load >= 0


def test_a_peer_that_fails_is_shown_with_what_it_said(peer: Callable[[str], Peer], task: Task) -> None:
    with pytest.raises(ContestantError, match="fake ended with status 1") as caught:
        peer("raise RuntimeError('no such processor')").run(task)
    assert "no such processor" in str(caught.value)


def test_a_peer_that_is_not_there_is_easy_to_get(tmp_path: Path, task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRALRS_PEERS", str(tmp_path))
    with pytest.raises(ContestantError, match=r"llama\.cpp is not installed: python -m benchmarks\.compare --setup"):
        contestants.ALL_PEERS["llama.cpp"].run(task)


def test_every_peer_has_a_module() -> None:
    for each in contestants.ALL_PEERS.values():
        assert (contestants.PEERS / f"{each.module}.py").is_file()
        assert each.requirements


def test_everybody_has_a_turn_in_each_round(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    turns: list[str] = []

    def ours(command: object, given: Task) -> Figures:
        turns.append(OURS)
        return FIGURES

    def theirs(self: Peer, given: Task) -> Figures:
        turns.append(self.name)
        return FIGURES

    monkeypatch.setattr(compare, "run_ours", ours)
    monkeypatch.setattr(Peer, "run", theirs)
    rounds = compete(task, ["mistralrs"], ["llama.cpp", "transformers"], rounds=2)
    assert turns == [OURS, "llama.cpp", "transformers"] * 2
    assert {name: len(figures) for name, figures in rounds.items()} == dict.fromkeys(turns, 2)


def test_ratios_are_medians_of_rounds_not_ratios_of_medians(task: Task) -> None:
    # In the second round the machine was half as fast for both, in the third for nobody but ours.
    ours = [FIGURES, replace(FIGURES, prompt=50.0), replace(FIGURES, prompt=50.0)]
    theirs = [replace(FIGURES, prompt=50.0), replace(FIGURES, prompt=25.0), replace(FIGURES, prompt=50.0)]
    rounds = {OURS: ours, "other": theirs}
    assert ratios(rounds) == {"other": {"prompt": 2.0, "decode": 1.0}}
    assert median(ours).prompt == 50.0
    shown = table(task, rounds)
    assert "| other | 1.00 |" in shown
    assert "| 2.00 | 1.00 |" in shown
    kept = json.loads(json.dumps(as_object(task, rounds)))
    assert kept["ratios"]["other"]["prompt"] == 2.0
    assert kept["rounds"]["ours"][0] == asdict(FIGURES)


def test_the_command_line_is_explained() -> None:
    command = [sys.executable, "-m", "benchmarks.compare", "--help"]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, cwd=root)
    assert "--setup" in done.stdout
