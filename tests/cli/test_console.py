from __future__ import annotations

import io

import pytest

from mistralrs.checkpoint import Progress
from mistralrs.cli.console import ProgressBar, print_error


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_is_quick_shows_nothing(clock: Clock) -> None:
    stream = io.StringIO()
    progress: Progress = ProgressBar(stream, clock)
    for done in (0, 50, 100):
        clock.now += 0.1
        progress("model.gguf", done, 100)
    assert stream.getvalue() == ""


def test_a_pipe_gets_one_line_at_the_start_and_one_at_the_end(clock: Clock) -> None:
    stream = io.StringIO()
    progress = ProgressBar(stream, clock)
    for _ in range(2):
        for done in (0, 20_000_000, 60_000_000, 98_100_000):
            progress("model.gguf", done, 98_100_000)
            clock.now += 1.0
    start, end = "model.gguf (98.1 MB) ...\n", "model.gguf: 98.1 MB in 3.0 s\n"
    assert stream.getvalue() == (start + end) * 2


def test_an_unknown_total_and_steps(clock: Clock) -> None:
    stream = io.StringIO()
    progress = ProgressBar(stream, clock)
    progress("loading", 0, None, "steps")
    clock.now += 1.0
    progress("loading", 5, None, "steps")
    progress("loading", 9, 9, "steps")
    assert stream.getvalue() == "loading ...\nloading: 9 steps in 1.0 s\n"


def test_a_terminal_gets_a_bar_that_goes_away(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with ProgressBar(stream, clock) as progress:
        progress("[b]model[/b]", 0, 3_000_000_000)
        assert stream.getvalue() == ""
        clock.now += 1.0
        progress("[b]model[/b]", 1_500_000_000, 3_000_000_000)
        progress("[b]model[/b]", 3_000_000_000, 3_000_000_000)
    assert "[b]model[/b]" in stream.getvalue()
    assert stream.getvalue().endswith(("\x1b[2K", "\x1b[?25h", "\r"))


@pytest.mark.parametrize(("no_colour", "painted"), [("", True), ("1", False)])
def test_errors_are_painted_on_terminals_only(no_colour: str, painted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("NO_COLOR", no_colour)
    print_error("wrong", "right")
    assert ("\x1b[" in stream.getvalue()) == painted
    monkeypatch.setattr("sys.stderr", plain := io.StringIO())
    print_error("wrong")
    assert plain.getvalue() == "error: wrong\n"
