"""Whatever clients do, nothing grows without a bound: each queue, cache and store of the server, one by one.

Elsewhere: places for answers (test_overload), bodies, heads and clients that do not read (test_wire), answers of a
request (test_refusals), stores of responses and files (test_responses, test_files), labels of metrics (test_metrics),
the engine's queue (tests/engine) and the blocks of its cache (tests/kvcache).
"""

from __future__ import annotations

import ast
import asyncio
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request

from mistralrs.api.asynchronous import MAX_UNTOLD, AsyncEngine
from mistralrs.config.server import ServerConfig
from mistralrs.engine.request import EngineInput, Finished, FinishReason, Generate, SamplingParams, Usage
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs_plugins.frontends.serve.body import MAX_BYTES_READ, read_body
from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.files import store as files
from mistralrs_plugins.frontends.serve.models.model import Model, ModelPlan
from mistralrs_plugins.frontends.serve.models.pool import ModelPool, PoolLimits
from mistralrs_plugins.frontends.serve.responses import store as responses
from mistralrs_plugins.frontends.serve.service import MAX_TEXTS, Service
from tests.serve.running import ROOT, scripted
from tests.serve.scripted_text import recipe, text_side

ON_THE_WAY = ("mistralrs/api", "mistralrs/engine", "mistralrs/kvcache", "mistralrs/loading", "mistralrs/textkit")
SERVE = "plugins/mistralrs_plugins/frontends/serve"


@pytest.fixture
def service() -> Service:
    """The middle of a server whose model is never loaded."""
    plan = ModelPlan(recipe=recipe({}, light=True), text=text_side(), max_seqs=2)
    model = Model(plan, lambda call: None, lambda event, **facts: None)
    return Service(ServerConfig(max_queue=3), ModelPool([model], PoolLimits()), PluginHost(Policy()))


def caches(folder: str) -> Iterator[tuple[str, ast.FunctionDef, str]]:
    """Functions whose results are kept: where, which, and how."""
    for path in sorted(Path(ROOT, folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else ():
                if (text := ast.unparse(decorator)).removeprefix("functools.").startswith(("cache", "lru_cache")):
                    yield f"{path.name}:{node.name}", node, text.removeprefix("functools.")


def test_no_cache_of_results_grows_with_what_clients_send() -> None:
    found = [each for folder in (*ON_THE_WAY, SERVE) for each in caches(folder)]
    assert len(found) > 2
    for name, function, how in found:
        keeps_one = not function.args.args
        assert keeps_one or (how.startswith("lru_cache") and "None" not in how), name


def test_the_stores_of_a_server_have_their_limits(service: Service) -> None:
    kept, uploaded = service.responses, service.files
    assert (kept._max_responses, kept._max_bytes) == (responses.MAX_RESPONSES, responses.MAX_BYTES) == (1024, 64 << 20)
    assert (uploaded._max_files, uploaded._max_bytes) == (files.MAX_FILES, files.MAX_BYTES) == (1024, 256 << 20)


def test_texts_that_take_no_place_of_an_answer(service: Service) -> None:
    places = [service.text_place() for _ in range(MAX_TEXTS)]
    for place in places:
        place.__enter__()
    with pytest.raises(HttpError) as refused, service.text_place():
        pass
    assert (refused.value.status, refused.value.headers) == (429, {"retry-after": "1"})
    for place in places:
        place.__exit__(None, None, None)
    with service.text_place():
        assert service.texts == 1
    assert service.texts == 0


def test_bodies_that_arrive_at_the_same_time(service: Service) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    scope = {"type": "http", "headers": [(b"content-type", b"application/json")], "app": SimpleNamespace()}
    service.bytes_read = MAX_BYTES_READ - 250
    with pytest.raises(HttpError) as refused:
        asyncio.run(read_body(Request(scope, receive), service))
    assert (refused.value.status, refused.value.headers) == (429, {"retry-after": "1"})
    assert service.bytes_read == MAX_BYTES_READ - 250


class Ending:
    """A loop in which each request ends at once."""

    def submit(self, message: EngineInput, deliver: Any = None) -> None:
        if isinstance(message, Generate):
            usage = Usage(prompt_tokens=1, completion_tokens=0)
            deliver(Finished(id=message.id, reason=FinishReason.STOP, usage=usage))

    def close(self, timeout: float | None = None) -> bool:
        return True


def test_observers_that_are_slower_than_the_requests(caplog: pytest.LogCaptureFixture) -> None:
    told: list[object] = []
    goes_on = threading.Event()

    def slow(event: str, **facts: object) -> None:
        goes_on.wait()
        told.append(facts["record"])

    async def ask(engine: AsyncEngine) -> None:
        for _ in range(MAX_UNTOLD + 10):
            engine.generate([(1,)], SamplingParams())

    engine = AsyncEngine(text_side(), Ending(), slow)
    try:
        asyncio.run(ask(engine))
    finally:
        goes_on.set()
        engine.close()
    assert len(told) == MAX_UNTOLD
    assert len([entry for entry in caplog.messages if "too slow" in entry]) == 10


@pytest.mark.slow
def test_output_that_nobody_takes_stops_the_engine() -> None:
    """The server's side of the pipe does not read: the engine waits with its step, and goes on afterwards."""
    with scripted(light=True) as server:
        server.wait_ready()
        worker = server.worker()
        before = worker.memory_info().rss
        events = server.stream({"prompt": "x", "max_tokens": 30_000}, "/v1/completions").events()
        next(events)
        server.process.send_signal(signal.SIGSTOP)
        try:
            sent = -1
            while sent != (sent := worker.io_counters().write_chars):
                threading.Event().wait(0.3)
            assert worker.memory_info().rss - before < 30 << 20
        finally:
            server.process.send_signal(signal.SIGCONT)
        assert sum(1 for _ in events) > 1
        server.wait_idle()
