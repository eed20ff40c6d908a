"""Works on a batch: several requests at a time, each answer written when it is there."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mistralrs.api.asynchronous import AsyncEngine, TextSide
from mistralrs.api.openai.errors import UNAVAILABLE, describe
from mistralrs.api.process import EngineProcess, EngineState
from mistralrs.api.recipe import EngineRecipe, model_recipe
from mistralrs.checkpoint import Progress
from mistralrs.errors import EngineError, MistralrsError
from mistralrs_plugins.frontends.batch.answer import answer
from mistralrs_plugins.frontends.batch.files import Answers, Line, Requests

if TYPE_CHECKING:
    from mistralrs.cli.context import CliContext
    from mistralrs.cli.options import Sections

ATTEMPTS = 3
"""Times that a request is tried whose engine died."""
LABEL = "requests"


@dataclass(kw_only=True)
class Summary:
    """What became of a batch."""

    total: int
    completed: int = 0
    failed: int = 0
    skipped: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def tokens_per_second(self) -> float:
        """Tokens written by the model, over the time since it was loaded."""
        return self.completion_tokens / self.seconds if self.seconds else 0.0

    def as_object(self) -> dict[str, Any]:
        """For ``--json``; the names are a promise."""
        return {**asdict(self), "tokens_per_second": round(self.tokens_per_second, 2)}


def work(
    context: CliContext,
    sections: Sections,
    requests: Requests,
    answers: Answers,
    concurrency: int,
    progress: Progress,
) -> Summary:
    """Answer all requests. Raises what keeps the model from being loaded."""
    summary = Summary(total=requests.count())
    text = TextSide.open(context.host, sections.model, progress)
    recipe = model_recipe(context.host, *sections, seed=context.seed)

    async def run() -> None:
        async with engine_of(text, recipe, context.host.notify) as (engine, process):
            await Batch(engine, process, answers, summary, progress).run(requests, concurrency)

    asyncio.run(run())
    return summary


@contextlib.asynccontextmanager
async def engine_of(
    text: TextSide, recipe: EngineRecipe, notify: Callable[..., None]
) -> AsyncIterator[tuple[AsyncEngine, EngineProcess]]:
    """An engine in a process of its own, loaded."""
    loop = asyncio.get_running_loop()
    process = EngineProcess(recipe, post=loop.call_soon_threadsafe).start()
    engine = AsyncEngine(text, process, notify)
    try:
        await loaded(process)
        yield engine, process
    finally:
        await asyncio.to_thread(process.close)
        await asyncio.sleep(0)  # what the process said last is delivered before the loop ends
        engine.close()


async def loaded(process: EngineProcess) -> None:
    """Wait until the engine takes requests. Raises what keeps it from being loaded."""
    while process.state in (EngineState.LOADING, EngineState.RESTARTING):
        await asyncio.sleep(0.05)
    if process.failure is not None:
        raise process.failure


class Batch:
    """The requests of one run that are being worked on."""

    def __init__(
        self, engine: AsyncEngine, process: EngineProcess, answers: Answers, summary: Summary, progress: Progress
    ) -> None:
        self._engine = engine
        self._process = process
        self._answers = answers
        self._summary = summary
        self._progress = progress

    async def run(self, requests: Requests, concurrency: int) -> None:
        """Answer them all, ``concurrency`` at a time, until Ctrl-C."""
        started = time.monotonic()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        lines = iter(requests)  # shared: each worker takes the next one
        tasks = {asyncio.create_task(self._worker(lines)) for _ in range(min(concurrency, self._summary.total))}
        stopping = asyncio.create_task(stop.wait())
        try:
            while tasks and not stop.is_set():
                done, _ = await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
                for task in done & tasks:
                    task.result()
                tasks -= done
        finally:
            for task in (*tasks, stopping):
                task.cancel()
            await asyncio.gather(*tasks, stopping, return_exceptions=True)
            self._summary.interrupted = stop.is_set()
            self._summary.seconds = time.monotonic() - started

    async def _worker(self, lines: Iterator[Line]) -> None:
        for line in lines:
            if line.custom_id in self._answers.done and line.error is None:
                self._summary.skipped += 1
            else:
                self._write(line, *await self._respond(line))
            summary = self._summary
            self._progress(LABEL, summary.completed + summary.failed + summary.skipped, summary.total, LABEL)

    async def _respond(self, line: Line) -> tuple[int, dict[str, Any]]:
        if line.error is not None or line.body is None:
            return describe(line.error or EngineError("the request has no body"))
        attempt = 1
        while True:
            try:
                return 200, await answer(self._engine, line.url, line.body)
            except MistralrsError as error:
                died = isinstance(error, EngineError) and error.code in UNAVAILABLE
                if not died or attempt == ATTEMPTS:
                    return describe(error)
            attempt += 1
            await loaded(self._process)

    def _write(self, line: Line, status: int, body: dict[str, Any]) -> None:
        summary, good = self._summary, status == 200
        summary.completed += good
        summary.failed += not good
        if good:
            summary.prompt_tokens += body["usage"]["prompt_tokens"]
            summary.completion_tokens += body["usage"]["completion_tokens"]
        request_id = "req-" + secrets.token_hex(12)
        self._answers.write(
            {
                "id": "batch_req_" + secrets.token_hex(12),
                "custom_id": line.custom_id,
                "response": {"status_code": status, "request_id": request_id, "body": body},
                "error": None,
            }
        )
