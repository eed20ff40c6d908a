"""The parent's side of template rendering: a few template processes, started when needed, replaced when they die."""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mistralrs.errors import EngineError, RequestError

MAX_PROCESSES = 2
MAX_REQUEST_BYTES = 32 << 20
MAX_REPLY_BYTES = 128 << 20
# The process ends itself long before this; it also covers its start on a busy machine.
PATIENCE_SECONDS = 20.0
# What the process may see of our environment: nothing secret, but where Python and the time zone are.
PASSED_ENVIRONMENT = ("LD_LIBRARY_PATH", "PATH", "TZ")


class TemplateProcess:
    """One template process and the pipes to it."""

    def __init__(self) -> None:
        package_root = str(Path(__file__).resolve().parents[3])
        search_path = os.pathsep.join(dict.fromkeys(filter(None, [*sys.path, package_root])))
        passed = {name: os.environ[name] for name in PASSED_ENVIRONMENT if name in os.environ}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-m", "mistralrs.loading.templates.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env={**passed, "PYTHONPATH": search_path},
            process_group=0,  # so that Ctrl-C in the terminal is ours alone
        )

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def ask(self, request: bytes) -> bytes:
        """One request line to one reply line. Raises ``EOFError`` when the process has died over it."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise EOFError
        try:
            view = memoryview(request)
            while view:
                view = view[stdin.write(view) :]
        except BrokenPipeError:
            raise EOFError from None
        return self._read_line(stdout.fileno())

    def _read_line(self, descriptor: int) -> bytes:
        deadline = time.monotonic() + PATIENCE_SECONDS
        chunks: list[bytes] = []
        size = 0
        while not (chunks and chunks[-1].endswith(b"\n")):
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(descriptor, 1 << 20) if ready else b""
            size += len(chunk)
            if not chunk or size > MAX_REPLY_BYTES:
                raise EOFError
            chunks.append(chunk)
        return b"".join(chunks)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


class Renderer:
    """Renders templates in at most ``max_processes`` processes; callers on more threads wait for one to be free."""

    def __init__(self, max_processes: int = MAX_PROCESSES) -> None:
        self._slots = threading.BoundedSemaphore(max_processes)
        self._lock = threading.Lock()
        self._idle: list[TemplateProcess] = []

    def warm_up(self) -> None:
        """Start a process now and do not wait for it: the first rendering then finds it ready."""
        with self._lock:
            if not self._idle:
                self._idle.append(TemplateProcess())

    def compile(self, source: str) -> str | None:
        """Check a template's syntax: None when it is good, else what is wrong with it."""
        reply = self._ask({"source": source})
        return None if "text" in reply else reason(reply)

    def render(self, source: str, variables: Mapping[str, Any]) -> str:
        """Render ``source``. Raises :class:`RequestError` with code ``template_error`` whatever it does wrong."""
        reply = self._ask({"source": source, "variables": variables})
        if "text" in reply:
            return str(reply["text"])
        raise template_error(reason(reply), verb="refuses" if reply.get("failure") == "raised" else "failed")

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        line = json.dumps(request).encode() + b"\n"
        if len(line) > MAX_REQUEST_BYTES:
            raise template_error(f"the conversation is larger than {MAX_REQUEST_BYTES >> 20} MiB")
        with self._slots:
            process = self._take()
            try:
                reply: dict[str, Any] = json.loads(process.ask(line))
            except EOFError:
                process.close()
                raise template_error("it took too long or too much memory and was stopped") from None
            except BaseException:
                process.close()  # interrupted in the middle of a reply: the pipe is out of step
                raise
            self._give_back(process, healthy=reply.get("failure") != "limit")
        return reply

    def _take(self) -> TemplateProcess:
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.alive:
                    return process
                process.close()
        try:
            return TemplateProcess()
        except OSError as error:
            raise EngineError(f"cannot start the template process: {error.strerror}") from error

    def _give_back(self, process: TemplateProcess, *, healthy: bool) -> None:
        if not healthy:
            process.close()
            return
        with self._lock:
            self._idle.append(process)

    def close(self) -> None:
        """End the idle processes. The renderer stays usable."""
        with self._lock:
            idle, self._idle = self._idle, []
        for process in idle:
            process.close()

    def forget(self) -> None:
        """Drop the processes without ending them: in a forked child they belong to the parent."""
        self.__init__()  # type: ignore[misc]


def reason(reply: Mapping[str, Any]) -> str:
    """What a failed reply says, with the template's line where it is known."""
    message = str(reply.get("message") or reply.get("failure"))
    if reply.get("line") and reply.get("failure") != "raised":
        return f"{message} in line {reply['line']}"
    return message


def template_error(what: str, *, verb: str = "failed") -> RequestError:
    """The one error of chat templates."""
    return RequestError(f"the chat template {verb}: {what}", code="template_error", param="messages")


renderer = Renderer()
atexit.register(renderer.close)
os.register_at_fork(after_in_child=renderer.forget)
