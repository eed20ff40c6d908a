"""Where the time of a compiled step goes: each kernel by itself, beside the whole step.

    python -m benchmarks.profile FILE.gguf [--prompt 512] [--depth 0]

A kernel's time is that of a step of which only its calls are left; they sum to less than the whole, which also waits
between stages, and to more where kernels share a stage.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.steps import SteppedModel
from benchmarks.timing import median_seconds
from mistralrs.ops import StepContext
from mistralrs_plugins.kernels.cpu.program.arguments import Stage
from mistralrs_plugins.kernels.cpu.program.program import Program
from mistralrs_plugins.kernels.cpu.program.step import CompiledStep


def only(stages: list[Stage], kernel: str) -> Program:
    """A program of one kernel's calls."""
    return Program([Stage([call for call in stage.calls if call.kernel == kernel]) for stage in stages])


@torch.inference_mode()
def profile(run: CompiledStep, step: StepContext, rounds: int) -> None:
    """Print a line for each kernel, slowest first."""
    whole, seconds = run._program, _timer(run, step, rounds)
    total = seconds()
    print(f"{'whole step':40}{total * 1e3:10.2f} ms")
    stages, found = whole._stages, {}
    for kernel in sorted({call.kernel for stage in stages for call in stage.calls}):
        run._program = only(stages, kernel)
        found[kernel] = seconds()
    run._program = whole
    for kernel, taken in sorted(found.items(), key=lambda item: -item[1]):
        print(f"{kernel:40}{taken * 1e3:10.2f} ms {taken / total:6.0%}", flush=True)


def _timer(run: CompiledStep, step: StepContext, rounds: int) -> Callable[[], float]:
    return lambda: median_seconds(lambda: run(step), rounds)


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--prompt", type=int, default=1, help="tokens of the step")
    parser.add_argument("--depth", type=int, default=0, help="tokens in the cache before it")
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = SteppedModel(args.model, args.depth + args.prompt + 64)
    run = model.compiled
    profile(run, model.step(1, args.depth, args.prompt), args.rounds)


if __name__ == "__main__":
    main()
