"""Messages that come in pieces: whole ones are taken, and nobody waits for the rest of another."""

from __future__ import annotations

import os
import pickle
import struct
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import pytest

from mistralrs.api.frames import Frames, send

Ends = tuple[Frames, "Connection[Any, Any]"]


@pytest.fixture
def ends() -> Iterator[Ends]:
    reader, writer = Pipe(duplex=False)
    yield Frames(reader.fileno()), writer
    reader.close()
    writer.close()


def test_nothing_has_come(ends: Ends) -> None:
    assert ends[0].read() == []


def test_several_messages_at_once(ends: Ends) -> None:
    frames, writer = ends
    said = [{"a": 1}, (), "x" * 20_000, None]
    for message in said:
        writer.send(message)
    assert frames.read() == said
    assert frames.read() == []


def test_what_is_sent_is_what_a_connection_sends(ends: Ends) -> None:
    frames, writer = ends
    said = [([(7, (1, 2), "text")], None), "x" * 20_000]
    for message in said:
        send(writer.fileno(), message)
    assert frames.read() == said
    reader, other = Pipe(duplex=False)
    with reader, other:
        send(other.fileno(), said)
        assert reader.recv() == said


def test_a_message_byte_by_byte(ends: Ends) -> None:
    frames, writer = ends
    writer.send([1, 2])
    writer.send("next")
    data = os.read(frames._descriptor, 1000)
    found = []
    for byte in data:
        os.write(writer.fileno(), bytes([byte]))
        found.append(frames.read())
    assert [message for messages in found for message in messages] == [[1, 2], "next"]
    assert found[-1] == ["next"]


def test_a_message_of_more_than_a_pipe_holds(ends: Ends) -> None:
    frames, writer = ends
    os.set_blocking(writer.fileno(), False)
    said = os.urandom(1 << 20)
    payload = pickle.dumps(said)
    left = struct.pack("!i", len(payload)) + payload
    found: list[Any] = []
    while left:
        left = left[os.write(writer.fileno(), left) :]
        found += frames.read()
    while not found:
        found += frames.read()
    assert found == [said]


def test_half_a_message_is_kept_and_not_waited_for(ends: Ends) -> None:
    frames, writer = ends
    os.write(writer.fileno(), b"\0\1\0\0" + b"half")
    assert frames.read() == []
    assert frames.read() == []


def test_the_end(ends: Ends) -> None:
    frames, writer = ends
    writer.send("last")
    writer.close()
    assert frames.read() == ["last"]
    with pytest.raises(EOFError):
        frames.read()


def test_what_is_no_message_ends_the_conversation(ends: Ends) -> None:
    frames, writer = ends
    os.write(writer.fileno(), b"\xff\xff\xff\xff")
    with pytest.raises(OSError, match="below zero"):
        frames.read()
