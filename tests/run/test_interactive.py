"""The interactive chat in a real terminal: a pseudo-terminal with a scripted engine behind."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import PATIENCE

SCRIPTED = Path(__file__).with_name("scripted_main.py")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")
UNFINISHED = re.compile(r"\x1b(\[[0-9;?]*)?$")
PROMPT = "\n>"
CTRL_C, CTRL_D, UP = "\x03", "\x04", "\x1b[A"


class Terminal:
    """A process on a pseudo-terminal: type into it, wait for what it shows."""

    def __init__(self, delay: float, config: Path) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (40, 120))
        environment = {**os.environ, "XDG_CONFIG_HOME": str(config), "TERM": "xterm"}
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPTED), str(delay), "run"],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=_own_terminal,
        )
        os.close(slave)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._seen = ""

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def wait_for(self, words: str, seconds: float = PATIENCE) -> str:
        """What was shown up to and including ``words``, since the last call."""
        deadline = time.monotonic() + seconds
        while words not in self._seen:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{words!r} did not appear in {self._seen!r}"
            self._take(os.read(self.master, 1 << 16))
        shown, _, self._seen = self._seen.partition(words)
        return shown + words

    def _take(self, raw: bytes) -> None:
        """Take in what was shown; the end of it may be half a character or half an escape sequence."""
        text = self._rest + self._decoder.decode(raw)
        cut = found.start() if (found := UNFINISHED.search(text)) else len(text)
        text, self._rest = text[:cut], text[cut:]
        if "\x1b[6n" in text:  # prompt_toolkit asks where the cursor is
            self.type("\x1b[1;1R")
        self._seen += ESCAPES.sub("", text)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


def _own_terminal() -> None:
    """Make the pseudo-terminal the controlling one, so that Ctrl-C becomes a signal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config"


@pytest.fixture
def terminal(request: pytest.FixtureRequest, config: Path) -> Iterator[Terminal]:
    terminal = Terminal(getattr(request, "param", 0.0), config)
    yield terminal
    terminal.close()


def test_a_chat(terminal: Terminal, config: Path) -> None:
    terminal.wait_for("Sampling: temp=0.8, top_k=40, top_p=0.95, min_p=0.05")
    terminal.wait_for(PROMPT)
    terminal.type("hello\r")
    terminal.wait_for("The quick brown fox")
    assert "CLI time to first token: " in terminal.wait_for("Decode: 200 tokens")
    terminal.wait_for(PROMPT)
    terminal.type("again\r")
    terminal.wait_for("Prefix cache: 1 hits / 2 turns")
    terminal.wait_for(PROMPT)
    terminal.type("/topk 0\r")
    terminal.wait_for("error: /topk takes a whole number above 0")
    terminal.wait_for(PROMPT)
    terminal.type("/exit\r")
    assert terminal.process.wait(PATIENCE) == 0
    history = config / "mistralrs" / "history.txt"
    assert "+hello" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("terminal", [0.2], indirect=True)
def test_ctrl_c_stops_the_answer_and_keeps_the_conversation(terminal: Terminal) -> None:
    terminal.wait_for(PROMPT)
    terminal.type("hello\r")
    terminal.wait_for("The quick")
    terminal.type(CTRL_C)
    terminal.wait_for("(stopped)")
    terminal.wait_for("Stats:")
    terminal.wait_for(PROMPT)
    terminal.type("again\r")
    terminal.wait_for("The quick")
    terminal.type(CTRL_C)
    terminal.wait_for("Prefix cache: 1 hits / 2 turns")
    terminal.wait_for(PROMPT)
    terminal.type(CTRL_D)
    assert terminal.process.wait(PATIENCE) == 0


def test_ctrl_c_at_the_prompt_leaves(terminal: Terminal) -> None:
    terminal.wait_for(PROMPT)
    terminal.type(CTRL_C)
    assert terminal.process.wait(PATIENCE) == 130


def test_history_and_completion(terminal: Terminal) -> None:
    terminal.wait_for(PROMPT)
    terminal.type("/topk 9\r")
    terminal.wait_for("top_k=9")
    terminal.wait_for(PROMPT)
    terminal.type(UP + "9\r")
    terminal.wait_for("top_k=99")
    terminal.wait_for(PROMPT)
    terminal.type("/tem")
    terminal.wait_for("/temperature")  # in the menu of completions
    terminal.type("\t 1.5\r")
    terminal.wait_for("temp=1.5")


def test_one_shot_is_interrupted_with_status_130() -> None:
    process = subprocess.Popen(
        [sys.executable, str(SCRIPTED), "0.2", "run", "-i", "hello"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.read(3) == b"The"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert b"Traceback" not in err
