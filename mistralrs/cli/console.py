"""What goes to the terminal besides results: errors, notes and progress on stderr, tables on stdout.

rich is imported only for a terminal; a pipe gets plain lines. NO_COLOR switches colours off.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

PATIENCE: Final = 0.5
"""Seconds an action may take before its progress is shown."""


def print_error(message: str, hint: str = "") -> None:
    """Print ``error: message`` and ``hint: hint`` to stderr."""
    print(f"{_paint('error:', '1;31')} {message}", file=sys.stderr)
    if hint:
        print(f"{_paint('hint:', '1;36')} {hint}", file=sys.stderr)


def note(message: str) -> None:
    """Print one line to stderr."""
    print(message, file=sys.stderr)


def _paint(text: str, code: str) -> str:
    coloured = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return f"\x1b[{code}m{text}\x1b[0m" if coloured else text


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print to stdout: a rich table on a terminal, columns of plain text in a pipe."""
    if sys.stdout.isatty():
        _print_rich_table(head, rows)
        return
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _print_rich_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))  # Text, because a cell may hold what looks like markup
    Console().print(table)


class ProgressBar:
    """Shows how far long actions are; implements :class:`mistralrs.checkpoint.Progress`.

    Silent for the first half second of each label. Then a bar on a terminal, which disappears at the end; elsewhere
    one line when it turns out to be long and one when it is done. Use it as a context manager, or the bar outlives an
    exception. Safe to call from several threads.
    """

    def __init__(self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._lock = threading.Lock()
        self._started: dict[str, float] = {}
        self._announced: set[str] = set()
        self._tasks: dict[str, TaskID] = {}
        self._bar: RichProgress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take the bar away."""
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
            self._bar = None
            self._tasks.clear()

    def __call__(self, label: str, done: int, total: int | None, unit: str = "bytes") -> None:
        """Report ``done`` of ``total``; reaching the total ends the label."""
        with self._lock:
            now = self._clock()
            elapsed = now - self._started.setdefault(label, now)
            finished = total is not None and done >= total
            if elapsed >= PATIENCE:
                show = self._draw if self._stream.isatty() else self._tell
                show(label, done, total, unit, finished=finished)
            if finished:
                self._started.pop(label)

    def _tell(self, label: str, done: int, total: int | None, unit: str, *, finished: bool) -> None:
        if finished:
            seconds = self._clock() - self._started[label]
            print(f"{label}: {amount(done, unit)} in {seconds:.1f} s", file=self._stream, flush=True)
            self._announced.discard(label)
        elif label not in self._announced:
            self._announced.add(label)
            whole = f" ({amount(total, unit)})" if total is not None else ""
            print(f"{label}{whole} ...", file=self._stream, flush=True)

    def _draw(self, label: str, done: int, total: int | None, unit: str, *, finished: bool) -> None:
        bar = self._bar = self._bar or _rich_bar(self._stream)
        if label not in self._tasks:
            self._tasks[label] = bar.add_task(label, amount="")
        text = amount(done, unit) if total is None else f"{amount(done, unit)} of {amount(total, unit)}"
        bar.update(self._tasks[label], completed=done, total=total, amount=text)
        if finished:
            bar.remove_task(self._tasks.pop(label))


def _rich_bar(stream: TextIO) -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[amount]}"))
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(file=stream), transient=True)
    bar.start()
    return bar


def amount(count: int, unit: str = "bytes") -> str:
    """A number of bytes in decimal units as file tools print it, or of steps as it is."""
    if unit != "bytes":
        return f"{count} {unit}"
    size = float(count)
    for name in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {name}" if name == "B" else f"{size:.1f} {name}"
        size /= 1000
    return f"{size:.2f} GB"
