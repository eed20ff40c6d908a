"""An engine's process that is stopped in the middle of a message holds up nobody else."""

from __future__ import annotations

import json
import socket

import psutil

from tests.serve.running import chat_body, scripted
from tests.waiting import wait_until


def test_the_server_answers_while_an_engine_is_stopped_in_the_middle_of_a_message() -> None:
    with scripted({"halts": True, "more": {"other": {}}}, light=True) as server:
        server.wait_ready()
        engine = server.worker()
        body = json.dumps(chat_body("hello")).encode()
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        with socket.create_connection(("127.0.0.1", server.port)) as waiting:
            waiting.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            wait_until(lambda: engine.status() == psutil.STATUS_STOPPED)
            for _ in range(3):  # the first may come before the loop has looked at the pipe
                assert server.get("/health").status == 200
            assert server.chat("hello", model="other").status == 200
            engine.kill()  # which ends the request that it had
            assert b" 503 " in waiting.recv(1 << 16).split(b"\r\n")[0]
        assert server.get("/health").status == 200
