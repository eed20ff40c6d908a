"""Uploaded files: kept for their owner, bounded, and never shown as pages."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import openai
import pytest

from mistralrs_plugins.frontends.serve.errors import HttpError
from mistralrs_plugins.frontends.serve.files.store import FileStore, StoredFile
from tests.serve.running import Reply, RunningServer, scripted

PATH = "/v1/files"
LINE = b'{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {}}\n'


@pytest.fixture(scope="module")
def small() -> Iterator[RunningServer]:
    """A server with two keys that takes at most one MiB."""
    with scripted(light=True, max_body_mb=1, api_key=["key-one", "key-two"]) as server:
        server.key = "key-one"
        yield server.wait_ready()


@pytest.fixture(scope="module")
def client(small: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{small.root}/v1", api_key="key-one", max_retries=0, _strict_response_validation=True
    ) as made:
        yield made


def form(*parts: bytes, boundary: bytes = b"xx") -> bytes:
    return b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def part(name: str, value: bytes, filename: str | None = None) -> bytes:
    shown = "" if filename is None else f'; filename="{filename}"'
    return f'content-disposition: form-data; name="{name}"{shown}\r\n\r\n'.encode() + value


def upload(server: RunningServer, content: bytes, media: str = "multipart/form-data; boundary=xx") -> Reply:
    return server.send("POST", PATH, content, **{"content-type": media})


def test_a_file_is_kept_listed_and_deleted(client: openai.OpenAI) -> None:
    made = client.files.create(file=("../dir/in.jsonl", LINE), purpose="batch")
    assert (made.filename, made.bytes, made.purpose, made.status) == ("in.jsonl", len(LINE), "batch", "processed")
    assert client.files.retrieve(made.id) == made
    assert client.files.content(made.id).read() == LINE
    other = client.files.create(file=("other.txt", b""), purpose="user_data")
    assert [file.id for file in client.files.list()] == [other.id, made.id]
    assert [file.id for file in client.files.list(purpose="batch", order="asc", limit=1)] == [made.id]
    for file in (made, other):
        assert client.files.delete(file.id).deleted
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(file.id)


def test_content_is_no_page(client: openai.OpenAI, small: RunningServer) -> None:
    made = client.files.create(file=("x.html", b"<script>alert(1)</script>"), purpose="user_data")
    headers = small.get(f"{PATH}/{made.id}/content").headers
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-disposition"] == "attachment"
    assert headers["x-content-type-options"] == "nosniff"


def test_files_are_seen_by_their_owner_only(client: openai.OpenAI, small: RunningServer) -> None:
    made = client.files.create(file=("x", b"secret"), purpose="user_data")
    other = {"authorization": "Bearer key-two"}
    assert small.get(f"{PATH}/{made.id}", **other).status == 404
    assert small.get(f"{PATH}/{made.id}/content", **other).status == 404
    assert small.send("DELETE", f"{PATH}/{made.id}", None, **other).status == 404
    assert small.get(PATH, **other).json["data"] == []


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (b"", "file"),
        (b"nonsense", None),
        (b"--xx\r\n" + b"\x00" * 100, None),
        (b"--xx\r\n\r\n", None),
        (form(part("purpose", b"batch")), "file"),
        (form(part("purpose", b"batch"), part("file", b"text")), "file"),
        (form(part("file", b"x", "n")), "purpose"),
        (form(part("file", b"x", "n"), part("purpose", b"wishes")), "purpose"),
        (form(part("file", b"x", "n"), part("purpose", b"batch"), part("more", b"1")), "more"),
        (form(part("file", b"x", "n"), part("file", b"y", "m"), part("purpose", b"batch")), None),
        (form(part("file", b"x", "n"), part("purpose", b"p" * 5000)), None),
        (form(*[part(f"f{i}", b"1") for i in range(50)]), None),
    ],
)
def test_forms_that_cannot_be_read(small: RunningServer, content: bytes, param: str | None) -> None:
    reply = upload(small, content)
    assert reply.status == 400
    assert reply.error["param"] == param


@pytest.mark.parametrize(
    ("media", "status"),
    [
        ("application/json", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=", 400),
        ("multipart/form-data; boundary=xx; charset=klingon", 200),
        ("multipart/form-data; boundary=" + "x" * 500, 400),
    ],
)
def test_types_that_are_no_form(small: RunningServer, media: str, status: int) -> None:
    assert upload(small, form(part("file", b"x", "n"), part("purpose", b"batch")), media).status == status


def test_the_size_of_a_file_is_bounded(small: RunningServer) -> None:
    content = form(part("file", b"x" * (1 << 20), "n"), part("purpose", b"batch"))
    assert upload(small, content).status == 413


def file(content: bytes = b"", **fields: object) -> StoredFile:
    return StoredFile(owner="me", filename="f", purpose="batch", content=content, **fields)  # type: ignore[arg-type]


def test_the_store_is_bounded_in_number_size_and_age() -> None:
    store = FileStore(max_files=2, max_bytes=100)
    old = file(b"x" * 90, created_at=int(time.time()) - 25 * 3600)
    store.add(old)
    with pytest.raises(HttpError, match=re.escape("no file")):
        store.get(old.id, "me")
    first = file(b"x" * 90)
    store.add(first)
    with pytest.raises(HttpError) as full:
        store.add(file(b"x" * 20))
    assert full.value.status == 429
    store.add(file())
    with pytest.raises(HttpError, match="delete files"):
        store.add(file())
    store.remove(first.id, "me")
    store.add(file(b"x" * 100))
