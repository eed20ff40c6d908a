"""Who is let in: keys, hosts, origins, and where the server listens at all."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serve.running import ROOT, RunningServer, chat_body, scripted
from tests.waiting import PATIENCE

KEY, OTHER = "key-one", "key-two"
ORIGIN = "https://chat.example"
PAGE = {"/ui", "/ui/", "/ui/js/api.js", "/ui/nope", "/ui/../v1/models"}
"""Files of the web page: a browser sends no key with them, and they hold no secret. What they ask for needs one."""
OPEN = {"/", "/health", "/health/live", "/health/ready", *PAGE}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with keys, one origin, and its access log as JSON."""
    keys = tmp_path_factory.mktemp("keys") / "keys.txt"
    keys.write_text(f"# for tests\n\n{OTHER}\n")
    options = {"api_key_file": str(keys), "cors_origin": [ORIGIN], "access_log": True, "access_log_format": "json"}
    with scripted(key=KEY, light=True, **options) as server:
        yield server.wait_ready()


def routes(server: RunningServer) -> list[tuple[str, str]]:
    paths = server.get("/api-doc/openapi.json").json["paths"]
    listed = [(method.upper(), re.sub(r"{\w+}", "x", path)) for path, found in paths.items() for method in found]
    unlisted = ["/api-doc/openapi.json", "/", "/nope", "/uix", *PAGE]
    return [*listed, *(("GET", path) for path in unlisted)]


def test_every_route_but_health_needs_a_key(locked: RunningServer) -> None:
    found = routes(locked)
    assert len(found) > 15
    for method, path in found:
        reply = locked.send(method, path, b"{}" if method == "POST" else None, authorization="")
        assert (reply.status == 401) == (path not in OPEN), path


def test_without_the_page_its_paths_need_a_key_too() -> None:
    with scripted(key=KEY, light=True, ui=False) as closed:
        closed.wait_ready()
        assert "Web page" not in closed.log
        for path in PAGE:
            assert closed.get(path, authorization="").status == 401
            assert closed.get(path).status == 404


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer wrong"},
        {"authorization": f"Bearer {KEY[:-1]}"},
        {"authorization": f"Bearer {KEY}x"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": KEY},
        {"authorization": "Bearer "},
        {"authorization": "Bearer k\u00e9y"},
        {"authorization": "Bearer " + "x" * 20_000},
        {"authorization": f"Bearer {KEY}", "x_api_key": KEY},
        {"authorization": "", "x_api_key": "wrong"},
    ],
)
def test_wrong_keys(locked: RunningServer, headers: dict[str, str]) -> None:
    reply = locked.get("/v1/models", **headers)
    assert reply.status == 401
    assert reply.headers["www-authenticate"] == "Bearer"
    assert KEY not in reply.body.decode()


def test_right_keys(locked: RunningServer) -> None:
    assert locked.get("/v1/models", authorization=f"bearer {OTHER}").status == 200
    raw = b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-api-key: %s\r\nconnection: close\r\n\r\n" % KEY.encode()
    assert locked.raw(raw).startswith(b"HTTP/1.1 200")
    assert locked.raw(raw.replace(b"/models", f"/models?key={KEY}".encode()).replace(b"x-api", b"x")).startswith(
        b"HTTP/1.1 401"
    )


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "", "["]
)
def test_names_that_only_seem_to_be_this_machine(server: RunningServer, host: str) -> None:
    for path in ("/v1/models", "/health"):
        reply = server.get(path, host=host)
        assert reply.status == 403
        assert reply.error["code"] == "host_not_allowed"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "LOCALHOST", "127.0.0.1:80", "127.9.9.9", "[::1]:5", "x.localhost"]
)
def test_names_of_this_machine(server: RunningServer, host: str) -> None:
    assert server.get("/v1/models", host=host).status == 200


def test_pages_of_other_sites_are_kept_out(server: RunningServer, locked: RunningServer) -> None:
    for origin in ("https://evil.example", "null", "http://localhost:9"):
        reply = server.post("/v1/chat/completions", chat_body("x"), origin=origin)
        assert (reply.status, reply.error["code"]) == (403, "origin_not_allowed")
    assert server.get("/v1/models", origin=server.root).status == 200
    assert "access-control-allow-origin" not in server.get("/v1/models").headers
    allowed = locked.get("/v1/models", origin=ORIGIN)
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    asked = {"origin": ORIGIN, "access_control_request_method": "POST", "authorization": ""}
    assert locked.send("OPTIONS", "/v1/chat/completions", None, **asked).status == 200
    assert locked.send("OPTIONS", "/v1/chat/completions", None, **{**asked, "origin": "https://x"}).status == 403


def test_the_access_log(locked: RunningServer) -> None:
    locked.get("/v1/models", x_request_id="find-me")
    locked.get("/health")
    assert locked.process.stdout is not None
    lines = []
    while not lines or lines[-1]["request_id"] != "find-me":
        lines.append(json.loads(locked.process.stdout.readline()))
    assert lines[-1]["path"] == "/v1/models"
    assert lines[-1]["status"] == 200
    assert not any(line["path"].startswith("/health") for line in lines)


def serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mistralrs", "serve", "-m", "nothing-here", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--host", "0.0.0.0"], "--api-key"),
        (["--host", "::"], "--insecure"),
        (["--port", "70000"], "--port"),
        (["--host", "no.such.host.invalid", "--insecure"], "--host"),
        (["--api-key", ""], "--api-key"),
        (["--api-key", "two words"], "--api-key"),
        (["--api-key-file", "/no/such/file"], "cannot read"),
        (["--max-queue", "-1"], "--max-queue"),
        (["--cors-origin", "chat.example"], "--cors-origin"),
        (["--access-log-format", "xml"], "--access-log-format"),
        (["--port", "0"], "nothing-here"),
    ],
)
def test_wrong_options_are_told_before_anything_is_loaded(arguments: list[str], text: str) -> None:
    ended = serve(*arguments)
    assert ended.returncode == 2
    assert text in ended.stderr
    assert len(ended.stderr.strip().splitlines()) <= 3
    assert "two words" not in ended.stderr.replace(" ".join(arguments), "")


def test_a_port_in_use_is_told(server: RunningServer) -> None:
    ended = serve("--port", str(server.port))
    assert ended.returncode == 2
    assert "cannot listen" in ended.stderr


def test_keys_are_compared_in_constant_time() -> None:
    source = Path(ROOT, "plugins/mistralrs_plugins/frontends/serve/guard.py").read_text()
    assert "[hmac.compare_digest(given, known) for known in self._digests]" in source
