"""The events of one response: followed while they come and afterwards, within bounds."""

from __future__ import annotations

import asyncio

import pytest

from mistralrs.errors import RequestError
from mistralrs_plugins.frontends.serve.responses.journal import AT_ONCE, Journal


def events(first: int, count: int) -> bytes:
    return b"".join(b"data: %d\n\n" % number for number in range(first, first + count))


async def followed(journal: Journal, after: int = -1) -> bytes:
    return b"".join([piece async for piece in journal.follow(after).events()])


def test_followers_see_what_is_there_and_what_comes() -> None:
    async def check() -> None:
        journal = Journal()
        journal.add(events(0, 3))
        early = asyncio.create_task(followed(journal))
        await asyncio.sleep(0)
        journal.add(events(3, 1))
        late = asyncio.create_task(followed(journal, after=2))
        await asyncio.sleep(0)
        journal.add(events(4, AT_ONCE * 2))
        journal.close()
        assert await early == events(0, 4 + AT_ONCE * 2)
        assert await late == events(3, 1 + AT_ONCE * 2)
        assert await followed(journal, after=10**9) == b""

    asyncio.run(check())


def test_one_that_is_stopped_ends_and_the_others_go_on() -> None:
    async def check() -> None:
        journal = Journal()
        follower = journal.follow()
        other = asyncio.create_task(followed(journal))
        pieces = follower.events()
        journal.add(events(0, 1))
        assert await anext(pieces) == events(0, 1)
        waiting = asyncio.ensure_future(anext(pieces, b"the end"))
        await asyncio.sleep(0)
        follower.stop()
        journal.add(b"")
        assert await asyncio.wait_for(waiting, 100) in (b"the end",)
        journal.close()
        assert await other == events(0, 1)

    asyncio.run(check())


def test_the_oldest_are_forgotten() -> None:
    async def check() -> None:
        journal = Journal(max_bytes=1000)
        behind = journal.follow()
        for number in range(500):
            journal.add(events(number, 1))
            assert journal.size <= 1000
        journal.close()
        with pytest.raises(RequestError, match="forgotten") as caught:
            journal.follow(3)
        assert caught.value.param == "starting_after"
        assert await followed(journal, after=490) == events(491, 9)
        assert [piece async for piece in behind.events()] == []

    asyncio.run(check())
