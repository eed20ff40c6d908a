"""Batches: one answer to every request, refusals as the server has them, and runs that can be gone on with."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mistralrs.api.process import EngineProcess
from mistralrs.checkpoint import no_progress
from mistralrs.errors import UsageError
from mistralrs_plugins.frontends.batch.files import MAX_LINE_BYTES, open_answers, open_requests
from mistralrs_plugins.frontends.batch.work import Batch, Summary, engine_of
from tests.serve.scripted_text import recipe, text_side
from tests.waiting import PATIENCE

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"


def request(name: Any, url: str = CHAT, **body: Any) -> dict[str, Any]:
    default = {"messages": [{"role": "user", "content": "hello"}]} if url == CHAT else {"prompt": "hello"}
    return {"custom_id": name, "method": "POST", "url": url, "body": {"max_tokens": 5, **default, **body}}


def write(path: Path, *lines: Any) -> Path:
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"\n".join(texts) + b"\n")
    return path


def run(source: Path, target: Path, *, resume: bool = False, concurrency: int = 4) -> Summary:
    """Run a batch against the loop that writes letters."""

    async def work() -> None:
        async with engine_of(text_side(), recipe({}, light=True), lambda *event, **facts: None) as (engine, process):
            await Batch(engine, process, answers, summary, no_progress).run(requests, concurrency)

    with open_requests(source) as requests, open_answers(target, resume=resume) as answers:
        summary = Summary(total=requests.count())
        asyncio.run(work())
    return summary


async def until(condition: Callable[[], object]) -> None:
    """Wait until ``condition`` holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


def read(path: Path) -> dict[str, Any]:
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    return {entry["custom_id"]: entry for entry in entries}


def test_every_request_has_one_answer(tmp_path: Path) -> None:
    lines = [request(f"r{i}", CHAT if i % 2 else TEXT) for i in range(9)]
    summary = run(write(tmp_path / "in", *lines), tmp_path / "out")
    assert (summary.total, summary.completed, summary.failed) == (9, 9, 0)
    assert summary.completion_tokens == 45
    found = read(tmp_path / "out")
    assert set(found) == {f"r{i}" for i in range(9)}
    first = found["r1"]
    assert first["id"].startswith("batch_req_")
    assert (first["error"], first["response"]["status_code"]) == (None, 200)
    assert first["response"]["body"]["choices"][0]["message"]["content"] == "abcde"
    assert found["r2"]["response"]["body"]["object"] == "text_completion"


def test_wrong_requests_fail_alone(tmp_path: Path) -> None:
    wrong: dict[str, tuple[Any, str | None, int]] = {
        "model": (request("model", model="gpt"), "model", 404),
        "stream": (request("stream", stream=True), "stream", 400),
        "temperature": (request("temperature", temperature=-1), "temperature", 400),
        "tools": (request("tools", tools=[{}]), "tools", 400),
        "unknown": (request("unknown", wish=1), "wish", 400),
        "long": (request("long", TEXT, prompt="x" * 50_000), "prompt", 400),
        "url": (request("url", "/v1/images"), "url", 400),
        "method": ({**request("method"), "method": "GET"}, "method", 400),
        "body": ({**request("body"), "body": 3}, "body", 400),
        "key": ({**request("key"), "more": 3}, "more", 400),
    }
    lines = [line for line, _, _ in wrong.values()]
    summary = run(write(tmp_path / "in", *lines, request("good")), tmp_path / "out")
    assert (summary.completed, summary.failed) == (1, len(wrong))
    found = read(tmp_path / "out")
    for name, (_, param, status) in wrong.items():
        response = found[name]["response"]
        assert (response["status_code"], response["body"]["error"]["param"]) == (status, param), name
    assert found["good"]["response"]["status_code"] == 200


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"\xff",
        b'{"custom_id": "a", "custom_id": "b"}',
        b'{"custom_id": 3}',
        b'{"custom_id": ""}',
        b"[" * 100_000,
        b"x" * (MAX_LINE_BYTES + 100),
    ],
    ids=range(8),
)
def test_lines_that_are_no_requests(tmp_path: Path, line: bytes) -> None:
    source = write(tmp_path / "in", request("a"), line, b"", request("b"))
    with open_requests(source) as requests:
        assert requests.count() == 3
        found = list(requests)
    assert [each.error is None for each in found] == [True, False, True]
    assert "line 2: " in str(found[1].error)
    assert len(str(found[1].error)) < 300


def test_an_id_counts_once(tmp_path: Path) -> None:
    with open_requests(write(tmp_path / "in", request("a"), request("a"))) as requests:
        first, second = requests
    assert first.error is None
    assert "given before" in str(second.error)


def test_a_run_can_be_gone_on_with(tmp_path: Path) -> None:
    source, target = write(tmp_path / "in", request("a"), request("b", seed="x"), request("c")), tmp_path / "out"
    run(source, target)
    before = target.read_bytes()
    with pytest.raises(UsageError, match="not empty"):
        run(source, target)
    assert target.read_bytes() == before
    lines = before.splitlines(keepends=True)
    good = [line for line in lines if b'"status_code": 200' in line]
    target.write_bytes(good[0] + b"nonsense\n" + good[1][:-20])  # as after a crash
    write(source, request("a"), request("b"), request("c"))
    summary = run(source, target, resume=True)
    assert (summary.skipped, summary.completed, summary.failed) == (1, 2, 0)
    assert target.read_bytes().startswith(good[0])
    assert {name: entry["response"]["status_code"] for name, entry in read(target).items()} == dict.fromkeys("abc", 200)
    assert run(source, target, resume=True).skipped == 3


def test_requests_whose_engine_dies_are_tried_again(tmp_path: Path) -> None:
    lines = [request(f"r{i}", messages=[{"role": "user", "content": "~"}], max_tokens=40) for i in range(4)]
    source, target, ending = write(tmp_path / "in", *lines), tmp_path / "out", tmp_path / "ending"
    made = recipe({"ends_when": str(ending)}, light=True)

    async def kill(process: EngineProcess) -> None:
        await until(lambda: len(process._deliver) == 4)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        ending.touch()

    async def work() -> None:
        async with engine_of(text_side(), made, lambda *event, **facts: None) as (engine, process):
            killing = asyncio.create_task(kill(process))
            await Batch(engine, process, answers, summary, no_progress).run(requests, 4)
            await killing
            assert process.restarts == 1

    with open_requests(source) as requests, open_answers(target, resume=False) as answers:
        summary = Summary(total=4)
        asyncio.run(work())
    assert (summary.completed, summary.failed) == (4, 0)


def test_a_signal_keeps_what_is_answered(tmp_path: Path) -> None:
    lines = [request("fast"), request("slow", messages=[{"role": "user", "content": "~"}], max_tokens=200)]
    source, target = write(tmp_path / "in", *lines), tmp_path / "out"
    made = recipe({"ends_when": str(tmp_path / "never")}, light=True)

    async def interrupt(process: EngineProcess) -> None:
        await until(lambda: target.stat().st_size and process._deliver)  # the first is answered, the second runs
        os.kill(os.getpid(), signal.SIGINT)

    async def work() -> None:
        async with engine_of(text_side(), made, lambda *event, **facts: None) as (engine, process):
            interrupting = asyncio.create_task(interrupt(process))
            await Batch(engine, process, answers, summary, no_progress).run(requests, 1)
            await interrupting

    with open_requests(source) as requests, open_answers(target, resume=False) as answers:
        summary = Summary(total=2)
        asyncio.run(work())
    assert summary.interrupted
    assert set(read(target)) == {"fast"}
    assert run(source, target, resume=True).completed == 1


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_a_batch_has_requests(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in").write_bytes(content)
    with open_requests(tmp_path / "in") as requests, pytest.raises(UsageError, match="not 0"):
        requests.count()
