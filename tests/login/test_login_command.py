"""``mistralrs login`` against a hub of its own: the token is kept when the hub knows it, and never shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

GOOD, BAD, BROKEN = "hf_goodSecret123", "hf_badSecret123", "hf_brokenSecret123"
ACCOUNT = {
    "type": "user",
    "name": "somebody",
    "auth": {"type": "access_token", "accessToken": {"displayName": "test", "role": "read"}},
}


class Hub(BaseHTTPRequestHandler):
    """Answers who a token belongs to."""

    def do_GET(self) -> None:
        """See the class."""
        token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
        status = {GOOD: 200, BAD: 401}.get(token, 418)
        body = json.dumps(ACCOUNT if status == 200 else {"error": "no"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def hub() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def login(home: Path, endpoint: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "HUGGING"))}
    environment = {**kept, "HF_HOME": str(home), "HF_ENDPOINT": endpoint, "no_proxy": "*"}
    command = [sys.executable, "-m", "mistralrs", "login", *arguments]
    return subprocess.run(
        command, input=stdin, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("piped", [True, False], ids=["piped", "option"])
def test_a_good_token_is_kept_and_not_shown(tmp_path: Path, hub: str, piped: bool) -> None:
    done = login(tmp_path, hub, stdin=f"{GOOD}\n") if piped else login(tmp_path, hub, "--token", GOOD)
    assert done.returncode == 0, done.stderr
    file = tmp_path / "token"
    assert file.read_text() == GOOD
    assert file.stat().st_mode & 0o077 == 0
    assert done.stdout == f"the token is saved in {file}\n"
    assert GOOD not in done.stderr


@pytest.mark.parametrize(("token", "status", "words"), [(BAD, 2, "refuses this token"), (BROKEN, 2, "status 418")])
def test_a_token_that_is_not_taken_is_not_kept(tmp_path: Path, hub: str, token: str, status: int, words: str) -> None:
    done = login(tmp_path, hub, stdin=token)
    assert done.returncode == status
    assert words in done.stderr
    assert token not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "token").exists()


def test_a_hub_that_does_not_answer(tmp_path: Path) -> None:
    done = login(tmp_path, "http://127.0.0.1:9", stdin=GOOD)
    assert done.returncode == 2
    assert "does not answer, so the token is not checked and not saved" in done.stderr
    assert GOOD not in done.stdout + done.stderr
    assert not (tmp_path / "token").exists()


@pytest.mark.parametrize("word", ["", "api_123456", "hf_two words", "hf_line\x1b[0m", "secret" * 2000])
def test_what_is_no_token_is_not_sent_or_shown(tmp_path: Path, word: str) -> None:
    done = login(tmp_path, "http://127.0.0.1:9", stdin=word)
    assert done.returncode == 2
    assert "begins with hf_" in done.stderr
    assert not word or word not in done.stderr
