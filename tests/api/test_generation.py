"""What a reader of answers gets, when, and in which order: in batches, or in the moment that it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

import pytest

from mistralrs.api.generation import AnswerOutput, Generation
from mistralrs.engine.request import Finished, FinishReason, Tokens, Usage

Told = list[tuple[int, str]]


def piece(text: str) -> Tokens:
    return Tokens(id=7, tokens=(1,), text=text)


def end() -> Finished:
    return Finished(id=7, reason=FinishReason.STOP, usage=Usage(prompt_tokens=1))


class Reader:
    """Reads a generation on a loop; ``takes`` says whether tokens are taken at once. Notes all in order."""

    def __init__(self, count: int = 1, takes: Callable[[str], bool] = lambda text: True) -> None:
        self.generation = Generation([(1,)] * count, count)
        self.at_once: Told = []
        self.batches: list[list[tuple[int, str]]] = []
        self.order: list[str] = []
        self._takes = takes

    def take(self, index: int, output: Tokens) -> bool:
        taken = self._takes(output.text)
        if taken:
            self.at_once.append((index, output.text))
            self.order.append(output.text)
        return taken

    async def read(self, pause: float | None = None) -> None:
        async for batch in self.generation.batches(pause, self.take):
            self.batches.append([(index, _text(output)) for index, output in batch])
            self.order += [_text(output) for _, output in batch]

    def follow(self, script: Callable[[asyncio.Task[None]], Coroutine[None, None, None]], pause: float = 60) -> None:
        """Run ``script`` once the reader waits, and then the reader to its end."""

        async def run() -> None:
            reading = asyncio.ensure_future(self.read(pause))
            await asyncio.sleep(0)
            await script(reading)
            await reading

        asyncio.run(run())


def _text(output: AnswerOutput) -> str:
    return output.text if isinstance(output, Tokens) else "END"


def test_tokens_go_at_once_to_a_reader_that_waits() -> None:
    reader = Reader(count=2)

    async def script(reading: asyncio.Task[None]) -> None:
        for index, text in enumerate("abcd"):
            reader.generation.take(index % 2, piece(text))
        assert reader.at_once == [(0, "a"), (1, "b"), (0, "c"), (1, "d")]
        reader.generation.take(0, end())
        reader.generation.take(1, end())

    reader.follow(script)
    assert reader.batches == [[(0, "END"), (1, "END")]]


def test_nothing_overtakes_what_waits_for_the_reader() -> None:
    reader = Reader(takes=lambda text: text != "b")

    async def script(reading: asyncio.Task[None]) -> None:
        for text in "abc":
            reader.generation.take(0, piece(text))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        reader.generation.take(0, piece("d"))
        reader.generation.take(0, end())

    reader.follow(script)
    assert reader.order == ["a", "b", "c", "d", "END"]
    assert reader.batches[0] == [(0, "b"), (0, "c")]


def test_what_comes_before_there_is_a_reader_is_its_first_batch() -> None:
    reader = Reader()
    for text in "ab":
        reader.generation.take(0, piece(text))
    reader.generation.take(0, end())
    asyncio.run(reader.read())
    assert (reader.at_once, reader.batches) == ([], [[(0, "a"), (0, "b"), (0, "END")]])


def test_a_reader_that_fails_at_once_is_told_so() -> None:
    def fail(text: str) -> bool:
        raise ValueError(text)

    reader = Reader(takes=fail)

    async def script(reading: asyncio.Task[None]) -> None:
        reader.generation.take(0, piece("a"))
        reader.generation.take(0, piece("b"))

    with pytest.raises(ValueError, match=r"^a$"):
        reader.follow(script)
    assert reader.order == []


def test_a_pause_is_told_unless_tokens_were_taken_meanwhile() -> None:
    reader = Reader()

    async def script(reading: asyncio.Task[None]) -> None:
        loop, started = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        while loop.time() < started + 0.3:  # six pauses, if they were counted from one batch to the next
            reader.generation.take(0, piece("a"))
            await asyncio.sleep(0)
        assert reader.batches == []
        while not reader.batches:
            await asyncio.sleep(0.01)
        reader.generation.take(0, end())

    reader.follow(script, pause=0.05)
    assert reader.batches[0] == []
    assert reader.batches[-1] == [(0, "END")]
