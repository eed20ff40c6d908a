"""``run -i`` and piped standard input: the answer on stdout, everything else on stderr, and the exit status."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mistralrs.api.engine import LocalEngine
from mistralrs.cli.main import run
from mistralrs.errors import EngineError, SourceError
from tests.api.fakes import ScriptedLoop, scripted_engine
from tests.waiting import PATIENCE

SCRIPTED = [sys.executable, str(Path(__file__).with_name("scripted_main.py"))]
Feed = Callable[[bytes], None]


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> ScriptedLoop:
    loop = ScriptedLoop()
    monkeypatch.setattr(LocalEngine, "open", lambda *arguments, **options: scripted_engine(loop))
    return loop


@pytest.fixture
def feed(monkeypatch: pytest.MonkeyPatch) -> Feed:
    """Sets what standard input holds."""

    def set_stdin(content: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))

    set_stdin(b"")
    return set_stdin


def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collects the prompts that reach the engine."""
    prompts: list[str] = []
    chat = LocalEngine.chat

    def record(engine: LocalEngine, request: Any, fallback: Any) -> Any:
        prompts.append(request.messages[-1].text)
        return chat(engine, request, fallback)

    monkeypatch.setattr(LocalEngine, "chat", record)
    return prompts


def test_the_answer_is_all_there_is_on_stdout(
    loop: ScriptedLoop, feed: Feed, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", "-i", "hello"]) == 0
    out, err = capsys.readouterr()
    assert out == "Hello there.\n"
    for words in (
        "Stats:",
        "CLI time to first token: 0.",
        "Decode: 3 tokens, 8.00 T/s",
        "Sampling: temp=0.8, top_k=40",
    ):
        assert words in err
    assert loop.closed


@pytest.mark.parametrize(
    ("arguments", "stdin", "prompt"),
    [
        (["-i", "hello"], b"", "hello"),
        (["-i", "hello"], b"again\n", "hello\nagain"),
        ([], b"hello\nagain\n", "hello\nagain"),
        (["text"], "\N{SNOWMAN}".encode(), "\N{SNOWMAN}"),
    ],
)
def test_standard_input_follows_the_text(
    loop: ScriptedLoop, feed: Feed, monkeypatch: pytest.MonkeyPatch, arguments: list[str], stdin: bytes, prompt: str
) -> None:
    prompts = asked(monkeypatch)
    feed(stdin)
    assert run(["run", *arguments]) == 0
    assert prompts == [prompt]


def test_json_is_one_object(loop: ScriptedLoop, feed: Feed, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["run", "-i", "hello", "--json", "--max-tokens", "2"]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert report["text"] == "Hello there"
    assert report["finish_reason"] == "length"
    assert report["usage"]["total_tokens"] == report["usage"]["prompt_tokens"] + 2
    assert report["timings"]["completion_tokens_per_second"] == 4.0
    assert "Stats" not in err


def test_options_reach_the_request(loop: ScriptedLoop, feed: Feed) -> None:
    options = ["--temperature", "0.5", "--top-k", "3", "--top-p", "0.7", "--min-p", "0.1", "--max-tokens", "9"]
    assert run(["run", "-i", "hello", *options]) == 0
    sampling = loop.requests[0].sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p) == (0.5, 3, 0.7, 0.1)
    assert sampling.max_tokens == 9


@pytest.mark.parametrize("words", [["--thinking"], ["--thinking", "true"], ["--thinking=true"]])
def test_thinking_may_stand_alone(loop: ScriptedLoop, feed: Feed, words: list[str]) -> None:
    assert run(["run", *words, "-i", "hello", "--reasoning-effort", "low"]) == 0


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        ([], b"", "the prompt is empty"),
        (["-i", " "], b"", "the prompt is empty"),
        (["-i", "hi"], b"\xff\xfe", "not UTF-8"),
        (["-i", "hi", "--top-p", "2"], b"", "--top-p must be between 0 and 1, not 2"),
        (["-i", "hi", "--temperature", "nan"], b"", "--temperature must be between"),
        (["-i", "hi", "--thinking", "-m", "x", "vision"], b"", "unknown kind of model 'vision'"),
        (["multimodal", "-i", "hi"], b"", "not supported yet"),
        (["-i", "hi", "--reasoning-effort", "heroic"], b"", "--reasoning-effort: "),
        (["-i", "hi", "--no-kv-cache"], b"", "--no-kv-cache: running without a KV cache"),
        (["-i", "hi", "--paged-attn", "off"], b"", "the paged cache is the only cache"),
        (["-i", "hi", "--thinking=perhaps"], b"", "--thinking must be true or false"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(
    loop: ScriptedLoop,
    feed: Feed,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    stdin: bytes,
    words: str,
) -> None:
    feed(stdin)
    assert run(["run", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert len(err.splitlines()) <= 2
    assert not loop.requests


def test_an_engine_error_is_status_1(loop: ScriptedLoop, feed: Feed, capsys: pytest.CaptureFixture[str]) -> None:
    loop.error = EngineError("the model failed", "look at the log")
    assert run(["run", "-i", "hello"]) == 1
    assert "error: the model failed" in capsys.readouterr().err


def test_a_wrong_model_is_status_2(
    feed: Feed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: Any, **options: Any) -> LocalEngine:
        raise SourceError("no such model")

    monkeypatch.setattr(LocalEngine, "open", refuse)
    assert run(["run", "-i", "hello"]) == 2
    assert capsys.readouterr().err == "error: no such model\n"


def test_a_reader_that_goes_away_ends_it_quietly() -> None:
    command = subprocess.Popen(
        [*SCRIPTED, "0.2", "run", "-i", "hello"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.read(3)
    command.stdout.close()
    err = command.stderr.read().decode()
    command.stderr.close()
    assert command.wait(PATIENCE) == 1
    assert "Traceback" not in err
    assert "BrokenPipe" not in err
