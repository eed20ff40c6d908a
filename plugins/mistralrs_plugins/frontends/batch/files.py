"""The two files of a batch: requests, read line by line, and answers, of which only whole lines count."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from mistralrs.api.openai.json_object import parse_object
from mistralrs.errors import RequestError, UsageError

MAX_LINE_BYTES = 16 << 20
MAX_REQUESTS = 1_000_000
MAX_ID_CHARS = 512
KEYS = frozenset({"custom_id", "method", "url", "body"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One request of the file, or why it is none. ``number`` counts from 1."""

    number: int
    custom_id: str | None = None
    url: str = ""
    body: dict[str, Any] | None = None
    error: RequestError | None = None


class _Opened:
    """Closes its file at the end of a ``with``."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class Requests(_Opened):
    """The requests of an open file."""

    def count(self) -> int:
        """How many there are. Raises :class:`UsageError` for a file with none, or too many."""
        self._file.seek(0)
        found = sum(1 for _, text in self._texts() if text.strip())
        if not 0 < found <= MAX_REQUESTS:
            raise UsageError(f"{self._file.name}: a batch has 1 to {MAX_REQUESTS} requests, not {found}")
        return found

    def __iter__(self) -> Iterator[Line]:
        self._file.seek(0)
        seen: set[str] = set()
        for number, text in self._texts():
            if text.strip():
                line = _read_line(number, text)
                if line.custom_id is not None and line.custom_id in seen:
                    problem = RequestError(f"line {number}: its custom_id was given before", param="custom_id")
                    line = Line(number=number, custom_id=line.custom_id, error=problem)
                seen |= {line.custom_id} if line.custom_id is not None else set()
                yield line

    def _texts(self) -> Iterator[tuple[int, bytes]]:
        number = 0
        while text := self._file.readline(MAX_LINE_BYTES + 1):
            number += 1
            yield number, text
            while len(text) > MAX_LINE_BYTES and not text.endswith(b"\n"):  # the rest belongs to the same line
                text = self._file.readline(MAX_LINE_BYTES + 1)


def _read_line(number: int, text: bytes) -> Line:
    name = None
    try:
        if len(text) > MAX_LINE_BYTES:
            raise RequestError(f"a request has at most {MAX_LINE_BYTES} bytes", code="request_too_large")
        values = parse_object(text)
        name = _custom_id(values)
        if unknown := sorted(values.keys() - KEYS):
            raise RequestError(f"unknown key {unknown[0][:MAX_ID_CHARS]!r}", param=unknown[0][:MAX_ID_CHARS])
        if values.get("method", "POST") != "POST":
            raise RequestError("method must be POST", param="method")
        url, body = values.get("url"), values.get("body")
        if not isinstance(url, str):
            raise RequestError("url is required, as a text", param="url")
        if not isinstance(body, dict):
            raise RequestError("body is required, as an object", param="body")
    except RequestError as error:
        problem = RequestError(f"line {number}: {error.message}", error.hint, param=error.param, code=error.code)
        return Line(number=number, custom_id=name, error=problem)
    return Line(number=number, custom_id=name, url=url, body=body)


def _custom_id(values: dict[str, Any]) -> str:
    name = values.get("custom_id")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID_CHARS:
        raise RequestError(f"custom_id must be a text of 1 to {MAX_ID_CHARS} characters", param="custom_id")
    return name


class Answers(_Opened):
    """The answers written so far; ``done`` are the ids of requests that need not be answered again."""

    def __init__(self, file: BinaryIO, done: set[str]) -> None:
        super().__init__(file)
        self.done = done

    def write(self, entry: dict[str, Any]) -> None:
        """Append an answer. What was written stays, whatever becomes of this process."""
        self._file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
        self._file.flush()


def open_requests(path: Path) -> Requests:
    """Open the file of requests. Raises :class:`UsageError`."""
    try:
        return Requests(path.open("rb"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def open_answers(path: Path, *, resume: bool) -> Answers:
    """Open the file of answers. Raises :class:`UsageError` for one that holds some, unless they are gone on with.

    With ``resume``, answers that failed are dropped from the file, as is a last line that was not written to its end.
    """
    try:
        if not resume and path.exists() and path.stat().st_size:
            raise UsageError(f"{path} is not empty", "go on with --resume, or name another file")
        kept, done = _kept(path) if resume and path.exists() else ([], set())
        if resume and path.exists():
            _rewrite(path, kept)
        return Answers(path.open("ab"), done)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _kept(path: Path) -> tuple[list[tuple[int, int]], set[str]]:
    """Where the lines of good answers are, and whose they are."""
    kept: list[tuple[int, int]] = []
    done: set[str] = set()
    with path.open("rb") as file:
        start = 0
        for text in file:
            name = _answered(text)
            if name is not None and name not in done:
                kept.append((start, len(text)))
                done.add(name)
            start += len(text)
    return kept, done


def _answered(text: bytes) -> str | None:
    """The id of a request that was answered well by this line."""
    if not text.endswith(b"\n"):
        return None
    try:
        entry = parse_object(text)
    except RequestError:
        return None
    response, name = entry.get("response"), entry.get("custom_id")
    good = isinstance(response, dict) and response.get("status_code") == 200
    return name if good and isinstance(name, str) else None


def _rewrite(path: Path, kept: list[tuple[int, int]]) -> None:
    """Keep these lines only; at no moment is a good answer missing from the disk."""
    fresh = path.with_name(path.name + ".part")
    with path.open("rb") as old, fresh.open("wb") as new:
        for start, length in kept:
            old.seek(start)
            new.write(old.read(length))
        new.flush()
        os.fsync(new.fileno())
    fresh.replace(path)
