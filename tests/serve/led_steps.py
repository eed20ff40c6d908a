"""An engine whose steps a test leads from another process: no step begins before the test lets it.

What the test sees then depends on the order of events only, never on how long each takes.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mistralrs.engine.engine import Engine
from mistralrs.engine.request import EngineInput, EngineOutput
from mistralrs.engine.thread import EngineThread
from tests.waiting import wait_until


def follow(engine: Engine, thread: EngineThread, folder: Path) -> None:
    """Note each message that comes in and, when a step begins, what the engine holds; then wait for leave."""
    step, submit = engine.step, thread.submit
    notes = folder / "notes"
    begun = 0

    def note(line: str) -> None:
        with notes.open("a") as file:
            file.write(line + "\n")

    def led() -> list[EngineOutput]:
        nonlocal begun
        begun += 1
        scheduler = engine.scheduler
        note(f"step {scheduler.pool.used} {sum(sequence.pending > 1 for sequence in scheduler.running)}")
        while (folder / "leave").stat().st_size < begun:
            time.sleep(0.002)
        return step()

    def noted(message: EngineInput, deliver: Any = None) -> None:
        submit(message, deliver)
        note(type(message).__name__)

    engine.step, thread.submit = led, noted  # type: ignore[method-assign]


@dataclass(frozen=True)
class Begun:
    """A step at its beginning: blocks that are held, and sequences that run and are not through with their prompt."""

    held: int
    in_prompt: int


class Leader:
    """The test's side: gives leave for steps and reads what was noted."""

    def __init__(self, folder: Path) -> None:
        self._notes, self._leave = folder / "notes", folder / "leave"
        self._notes.touch()
        self._leave.touch()

    @property
    def steps(self) -> list[Begun]:
        """The steps that have begun."""
        return [Begun(*map(int, line.split()[1:])) for line in self._lines() if line.startswith("step ")]

    def wait_message(self, kind: str, count: int) -> None:
        """Wait until so many messages of a kind have reached the engine."""
        wait_until(lambda: self._lines().count(kind) >= count)

    def wait_step(self) -> None:
        """Wait until the engine has made all steps it had leave for and stands at the beginning of the next."""
        wait_until(lambda: len(self.steps) > self._leave.stat().st_size)

    def let(self, steps: int) -> None:
        """Give leave for so many more steps."""
        with self._leave.open("ab") as file:
            file.write(b"." * steps)

    def _lines(self) -> list[str]:
        whole, _, _ = self._notes.read_text().rpartition("\n")  # a line may be half written
        return whole.splitlines()
