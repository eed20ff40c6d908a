"""Runs exams in processes of their own, and says how they go while they go.

The plugins of one distribution share a process, because starting one costs more than most exams. What ends a process
or keeps it from ending costs the plugin that was examined then its exam; the others go on in the next process.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from mistralrs.plugin.records import one_line

SUITE: Final = "mistralrs.testing.suite"
_POLL: Final = 1.0
"""Seconds after which a silent process is looked at: one that it started may hold the pipe open."""
_FAREWELL: Final = 10.0
"""Seconds a process may take to end by itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One test: ``result`` is passed, failed or skipped; ``note`` says why it was not passed."""

    test: str
    result: str
    seconds: float
    note: str


@dataclass(slots=True)
class Exam:
    """What is known of a plugin so far. ``cases`` is 0 until they were counted; ``now`` is the one that runs."""

    plugin: str
    cases: int = 0
    findings: list[Finding] = field(default_factory=list)
    now: str = ""
    over: bool = False

    def add(self, finding: Finding) -> None:
        """A case has ended."""
        self.findings.append(finding)
        self.now = ""
        self.over = len(self.findings) == self.cases

    def fail(self, why: str) -> None:
        """Nothing more will come."""
        self.add(Finding(self.now or "it can be examined", "failed", 0.0, why))
        self.over = True


def examine(plugins: Sequence[str], patience: float, clock: Callable[[], float] = time.monotonic) -> Generator[Exam]:
    """Examine plugins, by full ids; yields the exam in question whenever something happened, and every second.

    An exam is yielded as ``over`` exactly once. ``patience`` is how many seconds a test may take. Closing the generator
    ends the process.
    """
    groups: dict[str, list[str]] = {}
    for plugin in plugins:
        groups.setdefault(plugin.rpartition("@")[2], []).append(plugin)
    waiting = list(groups.values())
    while waiting:
        exams = {plugin: Exam(plugin) for plugin in waiting.pop(0)}
        session = _Session(list(exams), patience, clock)
        try:
            for exam in session.run(exams):
                yield exam
                if exam.over:
                    del exams[exam.plugin]
        finally:
            session.close(in_time=not exams)
        if len(exams) > 1 and not any(exam.cases for exam in exams.values()):
            waiting[:0] = [[plugin] for plugin in exams]  # no exam began, and nobody knows whose fault that is
        elif exams:
            first, *others = exams
            exams[first].fail(session.why)
            yield exams[first]
            waiting[:0] = [others] if others else []


class _Session:
    """One process. ``why`` says how it ended, for exams that were not over by then."""

    def __init__(self, plugins: Sequence[str], patience: float, clock: Callable[[], float]) -> None:
        self.patience, self.clock = patience, clock
        self.why = ""
        self._folder = tempfile.TemporaryDirectory(prefix="mistralrs-check-")
        self._printed: IO[str] = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  # closed below
        settings = Path(self._folder.name, "pytest.ini")
        settings.write_text("[pytest]\n", encoding="utf-8")
        self._pipe, report = os.pipe()
        command = [sys.executable, "-m", "pytest", "-q", "-c", str(settings), "--rootdir", self._folder.name]
        command += [f"--basetemp={self._folder.name}/tmp", "-p", "mistralrs.testing.pytest_plugin"]
        command += ["-p", "no:cacheprovider", "-p", "mistralrs.testing.reporter", f"--report-fd={report}"]
        command += ["--pyargs", SUITE]
        command += [word for plugin in plugins for word in ("--plugin", plugin)]
        # Away from the user's settings and pytest plugins; a group of its own, so that Ctrl-C is answered here.
        self._process = subprocess.Popen(
            command,
            env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""},
            stdin=subprocess.DEVNULL,
            stdout=self._printed,
            stderr=subprocess.STDOUT,
            pass_fds=[report],
            process_group=0,
        )
        os.close(report)

    def run(self, exams: dict[str, Exam]) -> Iterator[Exam]:
        """Yield what happens, until the process has nothing more to say."""
        for line in self._lines():
            if not line:
                yield next(iter(exams.values()))
                continue
            facts: dict[str, Any] = json.loads(line)
            if "cases" in facts:
                for plugin, count in facts["cases"].items():
                    exams[plugin].cases = count
                continue
            exam = exams[facts.pop("plugin")]
            if "begins" in facts:
                exam.now = facts["begins"]
            else:
                exam.add(Finding(**facts))
            yield exam
            if not exams:
                return

    def _lines(self) -> Iterator[bytes]:
        """Whole lines of the report; an empty one when there is none for a while."""
        pending, heard = b"", self.clock()
        while True:
            ended = self._process.poll() is not None
            if select.select([self._pipe], [], [], 0 if ended else min(_POLL, self.patience))[0]:
                heard = self.clock()
                chunk = os.read(self._pipe, 1 << 16)
                *lines, pending = (pending + chunk).split(b"\n")
                yield from lines
                ended = not chunk
            elif self.clock() - heard > self.patience:
                self.why = f"given up: nothing happened for {self.patience:g} s"
                return
            else:
                yield b""
            if ended:
                self.why = self._last_words()
                return

    def _last_words(self) -> str:
        status = self._process.wait()
        if status < 0:
            return f"its process was ended by {signal.Signals(-status).name}"
        self._printed.seek(0)
        said = [line for line in self._printed.read().splitlines() if line.strip()]
        return one_line(f"its process ended with status {status}: {said[-1] if said else 'it said nothing'}")

    def close(self, *, in_time: bool) -> None:
        """End the process and whatever it started; one that has reported everything may tidy up first."""
        if in_time:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_FAREWELL)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._pipe)
        self._printed.close()
        self._folder.cleanup()
