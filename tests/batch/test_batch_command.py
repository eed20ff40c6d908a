"""The command: refusals before anything is loaded, and one run with a real model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mistralrs.cli.main import run

QUESTION = {"messages": [{"role": "user", "content": "What is the capital of France?"}], "max_tokens": 8}
LINE = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {**QUESTION, "temperature": 0}}


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("missing", "out", "cannot read"),
        (".", "out", "cannot read"),
        ("in", "none/out", "cannot write"),
        ("in", "full", "--resume"),
        ("empty", "out", "not 0"),
        ("in", "out", "nothing-here"),
    ],
)
def test_what_is_wrong_is_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str, target: str, said: str
) -> None:
    (tmp_path / "in").write_text(json.dumps(LINE))
    (tmp_path / "full").write_text("x")
    (tmp_path / "empty").touch()
    status = run(["batch", "-m", "nothing-here", str(tmp_path / source), str(tmp_path / target)])
    assert status == 2
    assert said in capsys.readouterr().err


@pytest.mark.slow
def test_a_real_model(tmp_path: Path, smollm2_gguf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [{**LINE, "custom_id": name} for name in "abc"]
    (tmp_path / "in").write_text("\n".join(map(json.dumps, lines)))
    words = ["-m", str(smollm2_gguf), str(tmp_path / "in"), str(tmp_path / "out"), "--json", "--pa-context-len", "1024"]
    assert run(["batch", *words]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["completed"], summary["failed"]) == (3, 0)
    answers = [json.loads(line)["response"]["body"] for line in (tmp_path / "out").read_text().splitlines()]
    assert len({answer["choices"][0]["message"]["content"] for answer in answers}) == 1
    assert "Paris" in answers[0]["choices"][0]["message"]["content"]
    assert run(["batch", *words, "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["skipped"] == 3
