"""A small hub on loopback: what the tests of the Hugging Face source talk to."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 64  # bytes from which a file is kept as LFS, with a sha256


@dataclass
class FakeHub:
    """Repositories, the way they misbehave, and every request that was made."""

    endpoint: str = ""
    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    errors: dict[str, tuple[int, str]] = field(default_factory=dict)  # repo -> status, X-Error-Code
    corrupt: set[str] = field(default_factory=set)  # files whose content arrives altered
    cut: dict[str, list[int]] = field(default_factory=dict)  # file -> connections end after that many bytes
    elsewhere: str = ""  # large files are redirected to this host
    extra: dict[str, str] = field(default_factory=dict)  # further headers of large files
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def paths(self, method: str) -> list[str]:
        """The paths asked for with ``method``, in order."""
        return [path for verb, path, _ in self.requests if verb == method]

    def headers(self, method: str, ending: str) -> list[dict[str, str]]:
        """The headers of the requests for paths that end so."""
        return [headers for verb, path, headers in self.requests if verb == method and path.endswith(ending)]


@contextmanager
def serving() -> Iterator[FakeHub]:
    """Run a hub until the block ends."""
    hub = FakeHub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Stay silent."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = urlsplit(self.path).path
        self.hub.requests.append((self.command, unquote(path), dict(self.headers)))
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[:2] == ["api", "models"]:
            self._describe("/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main")
        elif len(parts) > 4 and parts[2] == "resolve":
            self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]), body=body)
        else:
            self._fail(404, "")

    def _describe(self, repo: str, revision: str) -> None:
        files = self._repository(repo, revision)
        if files is None:
            return
        siblings = []
        for name, content in files.items():
            entry: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": _blob_id(content)}
            if len(content) >= LARGE:
                entry["lfs"] = {"sha256": _sha256(content), "size": len(content), "pointerSize": 130}
            siblings.append(entry)
        sha = self.hub.commits.get(revision, revision)
        answer = json.dumps({"id": repo, "sha": sha, "siblings": siblings, "tags": []}).encode()
        self._send(200, {"Content-Type": "application/json"}, answer)

    def _resolve(self, repo: str, revision: str, name: str, *, body: bool) -> None:
        files = self._repository(repo, revision)
        if files is None:
            return
        if name not in files:
            self._fail(404, "EntryNotFound")
            return
        content = files[name]
        large = len(content) >= LARGE
        etag = _sha256(content) if large else _blob_id(content)
        headers = {"X-Repo-Commit": self.hub.commits.get(revision, revision), "ETag": f'"{etag}"'}
        if large:
            headers |= {"X-Linked-Etag": f'"{etag}"', "X-Linked-Size": str(len(content))} | self.hub.extra
            if self.hub.elsewhere:
                self._send(302, headers | {"Location": self.hub.elsewhere + self.path}, b"")
                return
        if name in self.hub.corrupt:
            content = bytes([content[0] ^ 1]) + content[1:]
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cuts = self.hub.cut.get(name, [])
        limit = cuts.pop(0) if body and cuts else None
        self._send(206 if start else 200, headers, content[start:], body=body, limit=limit)

    def _repository(self, repo: str, revision: str) -> dict[str, bytes] | None:
        if repo in self.hub.errors:
            self._fail(*self.hub.errors[repo])
        elif repo not in self.hub.repos:
            self._fail(401, "RepoNotFound")
        elif revision not in self.hub.commits and revision not in self.hub.commits.values():
            self._fail(404, "RevisionNotFound")
        else:
            return self.hub.repos[repo]
        return None

    def _fail(self, status: int, code: str) -> None:
        self._send(status, {"X-Error-Code": code, "X-Error-Message": "no"} if code else {}, b"")

    def _send(
        self,
        status: int,
        headers: dict[str, str],
        content: bytes,
        *,
        body: bool = True,
        limit: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content[:limit])
        if limit is not None:
            self.wfile.flush()
            self.close_connection = True


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
