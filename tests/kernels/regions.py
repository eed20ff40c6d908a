"""Which threads run while an engine decodes and reads prompts: ``python -m tests.kernels.regions MODEL``.

Prints one JSON object: for each phase how often each kind of thread gave up or lost its processor, which no thread that
woke up to do something gets around. Kinds are the engine's own thread, the pool's, and all that Python does not know,
such as those of OpenMP.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.overhead import open_engine
from mistralrs.engine.engine import Engine
from mistralrs.engine.request import Generate, SamplingParams

SEQUENCES, PROMPT, STEPS = 4, 64, 10
TASKS = Path("/proc/self/task")


def switches() -> dict[int, int]:
    """How often every thread of this process has changed places with another one, by its number."""
    found = {}
    for task in TASKS.iterdir():
        lines = (task / "status").read_text().splitlines()
        found[int(task.name)] = sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return found


def kind(thread: int) -> str:
    """Whose thread it is."""
    names = {known.native_id: known.name for known in threading.enumerate()}
    if thread == threading.get_native_id():
        return "caller"
    return "pool" if names.get(thread, "").startswith("mistralrs-cpu-") else names.get(thread, "foreign")


def settle() -> None:
    """Wait until every foreign thread has gone to sleep after what it did last: one that waits for a turn has not."""
    before: dict[int, int] | None = None
    while before != (now := {task: count for task, count in switches().items() if kind(task) == "foreign"}) or any(
        is_awake(task) for task in now
    ):
        before = now
        time.sleep(0.3)


def is_awake(task: int) -> bool:
    """Whether a thread runs or would run, had it a processor."""
    return "State:\tS" not in (TASKS / str(task) / "status").read_text()


def during(work: Callable[[], object]) -> dict[str, int]:
    """Switches of each kind of thread while ``work`` runs; a foreign thread that starts counts as well."""
    settle()
    before = switches()
    work()
    settle()
    found: Counter[str] = Counter()
    for task, count in switches().items():
        found[kind(task)] += count - before.get(task, -1)
    return dict(found)


def prefill(engine: Engine) -> None:
    """Read the prompts of all sequences: steps of hundreds of tokens."""
    for index in range(SEQUENCES):
        prompt = tuple(random.Random(index).randrange(1000, 40000) for _ in range(PROMPT))
        sampling = SamplingParams(temperature=0.8, top_p=0.9, seed=index, max_tokens=4 * STEPS, ignore_eos=True)
        engine.add(Generate(id=index, prompt=prompt, sampling=sampling))
    while any(sequence.pending > 1 for sequence in engine.scheduler.running) or engine.scheduler.waiting:
        engine.step()


def decode(engine: Engine) -> None:
    """Give every sequence some tokens."""
    for _ in range(STEPS):
        engine.step()


def main() -> None:
    """Load the model, measure, and print."""
    torch.set_num_threads(2)
    engine, _ = open_engine(Path(sys.argv[1]), SEQUENCES, PROMPT + 4 * STEPS)
    matrix = torch.ones(600, 600)
    found = {
        "prefill": during(lambda: prefill(engine)),
        "decode": during(lambda: decode(engine)),
        "torch": during(lambda: [matrix @ matrix for _ in range(20)]),
    }
    engine.end_all()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
