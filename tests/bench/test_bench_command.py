"""``mistralrs bench`` as a whole, on a tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mistralrs.cli.main import run
from mistralrs.testing.tiny import write_checkpoint
from mistralrs_plugins.architectures.llama.plugin import mistralrs_register_architectures

SHORT = ["--prompt-len", "8,16", "--gen-len", "4", "--depth", "0,12", "--iterations", "2", "--threads", "1"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (spec,) = mistralrs_register_architectures()
    return write_checkpoint(spec, tmp_path_factory.mktemp("tiny"))


def test_json_is_all_there_is_on_standard_output(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "-m", str(tiny), *SHORT, "--concurrency", "1,3", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    cases = [(row["test"], row["depth"], row["concurrency"]) for row in rows[:-1]]
    each = [("pp8", 0), ("pp16", 0), ("tg4", 0), ("tg4", 12)]
    assert cases == [(*case, concurrency) for concurrency in (1, 3) for case in each]
    for row in rows[:-1]:
        assert row["iterations"] == 2
        assert row["tokens_per_second"] > 0
        assert row["stddev"] >= 0
        assert row["latency_seconds"] > 0
    load = rows[-1]
    assert set(load) == {"test", "seconds", "peak_rss_bytes", "rss_after_imports_bytes"}
    assert load["test"] == "load"
    assert load["seconds"] > 0
    assert load["peak_rss_bytes"] >= load["rss_after_imports_bytes"] > 0


def test_a_table_for_people(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "-m", str(tiny), *SHORT]) == 0
    shown = capfd.readouterr()
    head, *lines = shown.out.splitlines()
    assert head.split("  ")[0] == "TEST"
    assert [line.split()[0] for line in lines] == ["pp8", "pp16", "tg4", "tg4"]
    assert "Loaded in" in shown.err


def test_a_length_beyond_the_context_is_refused_before_loading(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", "-m", str(tiny), "--depth", "1000000"]) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "the model has" in shown.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["vision"], "unknown kind of model 'vision'"),
        (["--prompt-len", "x"], "--prompt-len takes whole numbers"),
        (["-m", "/no/such/model.gguf"], "/no/such/model.gguf"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["bench", *arguments]) == 2
    shown = capfd.readouterr()
    assert shown.out == ""
    assert words in shown.err
    assert "Traceback" not in shown.err
