"""A server in a process of its own, and what tests ask of it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psutil

from tests.waiting import PATIENCE, wait_until

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 500.0
"""The first start of a real model on a machine compiles its kernels."""
LEAKS = re.compile(r"Traceback|0x[0-9a-f]{6,}|/home/|site-packages|/root/|/tmp/")


@dataclass
class Reply:
    """A response that was read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error of a refusal, whose form is checked."""
        assert self.headers["content-type"] == "application/json"
        assert not LEAKS.search(self.body.decode())
        error: dict[str, Any] = self.json["error"]
        assert set(error) >= {"message", "type"}
        assert error["message"]
        return error


@dataclass
class RunningServer:
    """The process of a server, its address, and its key if it has one."""

    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    key: str | None = None

    def __post_init__(self) -> None:
        # A file: a pipe that nobody empties would stop the server.
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            self.command,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}:{ROOT / 'plugins'}", **self.environment},
        )
        self.port = int(self.wait_for(r"Listening on http://[^\s]*:(\d+)"))

    @property
    def log(self) -> str:
        """What the server has written to standard error."""
        size = os.fstat(self.errors.fileno()).st_size
        return os.pread(self.errors.fileno(), size, 0).decode()

    def wait_for(self, pattern: str, seconds: float = START_SECONDS) -> str:
        """Wait until ``pattern`` is written to standard error; returns its first group."""
        deadline = time.monotonic() + seconds
        while not (found := re.search(pattern, self.log)):
            if time.monotonic() > deadline or self.process.poll() is not None:
                log = self.log
                self.__exit__()
                raise AssertionError(f"no {pattern!r} in: {log}")
            time.sleep(0.01)
        return found.group(found.re.groups and 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self.errors.close()

    def wait_ready(self) -> Self:
        """Wait until requests are taken."""
        wait_until(lambda: self.get("/health/ready").status == 200, START_SECONDS)
        return self

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, None, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Reply:
        """POST ``body``: bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.send("POST", path, content, **{"content-type": "application/json", **headers})

    def send(self, method: str, path: str, body: bytes | None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, self._headers(headers))
            response = connection.getresponse()
            return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, response.read())
        finally:
            connection.close()

    def _headers(self, given: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in given.items()}
        return {**({"authorization": f"Bearer {self.key}"} if self.key else {}), **named}

    def chat(self, text: str, **fields: Any) -> Reply:
        """One greedy answer of at most eight tokens, unless ``fields`` say otherwise."""
        return self.post("/v1/chat/completions", chat_body(text, **fields))

    def stream(self, body: dict[str, Any], path: str = "/v1/chat/completions") -> Stream:
        """Begin a stream; the caller reads it or drops it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = self._headers({"content-type": "application/json"})
        connection.request("POST", path, json.dumps({**body, "stream": True}), headers)
        return Stream(connection)

    def raw(self, sent: bytes, seconds: float = PATIENCE) -> bytes:
        """Everything that comes back to ``sent`` until the connection is closed, or for so long."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            connection.sendall(sent)
            return read_all(connection)

    def metric(self, name: str) -> float:
        """The sum of a metric over all its labels, or its value for labels that are part of ``name``."""
        pattern = re.compile(re.escape(name) + "[ {]")
        lines = [line for line in self.get("/metrics").body.decode().splitlines() if pattern.match(line)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    def wait_idle(self, seconds: float = PATIENCE) -> None:
        """Wait until nobody is served and all blocks are free. The counters are a quarter of a second old at most."""
        names = ("sequences_running", "sequences_waiting", "kv_cache_blocks_used", "requests_pending_admission")
        deadline = time.monotonic() + seconds
        while busy := {name: value for name in names if (value := self.metric(f"mistralrs_{name}"))}:
            assert time.monotonic() < deadline, busy
            time.sleep(0.02)

    def cpu_seconds(self) -> float:
        """CPU time of its own process so far, to which a busy machine does not add."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def workers(self) -> list[psutil.Process]:
        """The processes of its engines."""
        return [child for child in psutil.Process(self.process.pid).children() if _is_worker(child)]

    def worker(self) -> psutil.Process:
        """The process of its only engine."""
        (found,) = self.workers()
        return found

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = PATIENCE) -> int:
        """The exit status."""
        self.process.communicate(timeout=seconds)
        return self.process.returncode


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "mistralrs.api.worker" in process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it has ended
        return False


class Stream:
    """A stream of server-sent events."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        self.connection = connection
        self.response = connection.getresponse()

    def events(self) -> Iterator[str]:
        """What stands behind ``data:``, event by event, to the end."""
        try:
            for line in self.response:
                if line.startswith(b"data: "):
                    yield line[len(b"data: ") :].decode().rstrip("\n")
        finally:
            self.drop()

    def text(self) -> str:
        """The whole answer, whose form is checked."""
        *chunks, last = self.events()
        assert last == "[DONE]"
        choices = [choice for chunk in chunks for choice in json.loads(chunk)["choices"]]
        return "".join(choice["delta"].get("content", "") for choice in choices)

    def drop(self) -> None:
        """Go away without a word."""
        self.response.close()
        self.connection.close()


def read_all(connection: socket.socket) -> bytes:
    found = b""
    try:
        while piece := connection.recv(1 << 16):
            found += piece
    except (TimeoutError, ConnectionResetError):
        pass
    return found


def chat_body(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 8, **fields}


def scripted(
    settings: dict[str, Any] | None = None, key: str | None = None, *, light: bool = False, **options: Any
) -> RunningServer:
    """A server with the scripted engine; ``options`` are those of the server's section.

    A ``light`` one has no engine, only a loop that writes letters: it starts in a second, for it needs no torch.
    """
    keys = {"api_key": [key]} if key else {}
    given = json.dumps({"port": 0, "access_log": False, **keys, **options})
    command = [
        sys.executable,
        "-m",
        "tests.serve.scripted_server",
        json.dumps({**(settings or {}), "light": light}),
        given,
    ]
    return RunningServer(command, key=key)
