"""Named fault points: places where a test can make the engine fail, wait or see bad numbers.

Off unless ``MISTRALRS_FAULTS`` is set when the process starts: ``point=action[@every]`` separated by commas.
Actions: ``raise``, ``delay:SECONDS``, and ``flag`` (the caller asks with :func:`flagged` and misbehaves itself, for
example by writing a row of NaN). ``@3`` lets it happen at every third pass. A point costs one dictionary look-up
when faults are off.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass


class InjectedFault(Exception):
    """Raised by a fault point whose action is ``raise``."""


@dataclass
class Fault:
    """What happens at one point: ``action`` every ``every``-th time it is passed."""

    action: str
    every: int = 1
    passed: int = 0

    def due(self) -> bool:
        """Count one pass and say whether the fault happens at it."""
        self.passed += 1
        return self.passed % self.every == 0


def parse(text: str) -> dict[str, Fault]:
    """Parse the environment form, for example ``step.forward=raise@3,step.logits=flag``."""
    faults: dict[str, Fault] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        point, _, rest = item.partition("=")
        action, _, every = rest.partition("@")
        known = action in ("raise", "flag") or action.startswith("delay:")
        if not point or not known or not (every or "1").isdigit() or int(every or 1) < 1:
            raise ValueError(f"MISTRALRS_FAULTS: {item!r} is not point=raise|flag|delay:SECONDS[@every]")
        faults[point] = Fault(action, int(every or 1))
    return faults


_active: dict[str, Fault] = parse(os.environ.get("MISTRALRS_FAULTS", ""))


def install(text: str) -> None:
    """Replace the active faults (tests); an empty text switches all of them off."""
    _active.clear()
    _active.update(parse(text))


def point(name: str) -> None:
    """Pass the point ``name``: raise or wait if a fault is installed there."""
    fault = _active.get(name)
    if fault is None or not fault.due():
        return
    if fault.action == "raise":
        raise InjectedFault(f"fault injected at {name}")
    if fault.action.startswith("delay:"):
        time.sleep(float(fault.action.partition(":")[2]))


def flagged(name: str) -> bool:
    """Whether the caller should misbehave at the point ``name`` this time."""
    fault = _active.get(name)
    return fault is not None and fault.action == "flag" and fault.due()
