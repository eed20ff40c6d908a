"""What a decode step of the whole engine costs outside compiled kernels, by sampling settings and batch size.

    python -m benchmarks.overhead FILE.gguf [--batches 1 64] [--steps 60] [--prompt 64]

Milliseconds a step: scheduling, the batch, sampling, text and messages are all in it, as is the model. The median of
the steps, and of what remains when the time inside the pool of compiled kernels is taken off.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.sampling import SETTINGS
from mistralrs.api.prepare import prepare
from mistralrs.checkpoint import no_progress
from mistralrs.config.model import ModelSelection
from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.config.runtime import RuntimeConfig
from mistralrs.engine.engine import Engine
from mistralrs.engine.request import Generate, SamplingParams
from mistralrs.loading.load import load
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs_plugins.kernels.cpu.threads import Pool

CHOSEN = (
    "greedy", "no filter", "top-k, top-p, min-p", "penalties", "DRY, top-p", "top-p, logprobs", "everything, logprobs",
)  # fmt: skip


class TimedPool:
    """Adds up the seconds that the process's pool spends in compiled programs."""

    def __init__(self) -> None:
        self.seconds, run = 0.0, Pool.run

        def timed(pool: Pool, program: int) -> None:
            started = time.perf_counter()
            run(pool, program)
            self.seconds += time.perf_counter() - started

        Pool.run = timed  # type: ignore[method-assign, assignment]


def open_engine(file: Path, sequences: int, tokens: int) -> tuple[Engine, int]:
    """The engine of a model file with room for ``sequences`` of ``tokens``, and the size of its vocabulary."""
    host = PluginHost(Policy())
    selection = ModelSelection(model_id=str(file))
    prepared = prepare(host, selection, no_progress)
    loaded = load(
        host,
        prepared.inspected,
        prepared.tokenizer,
        selection=selection,
        runtime=RuntimeConfig(max_seqs=sequences, prefix_cache_n=0),
        paged=PagedAttentionConfig(context_len=sequences * (tokens + 64)),
    )
    if not isinstance(loaded.engine, Engine):
        raise TypeError(f"{file} generates no text")
    return loaded.engine, loaded.engine.config.vocab_size


def measure(engine: Engine, pool: TimedPool, prompts: list[list[int]], settings: dict[str, Any], steps: int) -> str:
    """A line: the median step and the medians of what is outside kernels, while all ``prompts`` are answered."""
    for index, prompt in enumerate(prompts):
        sampling = SamplingParams(**settings, seed=index, max_tokens=steps + 8, ignore_eos=True)
        engine.add(Generate(id=index, prompt=tuple(prompt), sampling=sampling))
    while any(sequence.pending > 1 for sequence in engine.scheduler.running) or engine.scheduler.waiting:
        engine.step()
    taken, outside = [], []
    for _ in range(steps):
        if len(engine.scheduler.running) < len(prompts):
            break  # the first ones were done before the last ones had started
        pool.seconds, started = 0.0, time.perf_counter()
        engine.step()
        taken.append(time.perf_counter() - started)
        outside.append(taken[-1] - pool.seconds)
    engine.end_all()
    return "".join(f"{1e3 * value:12.3f}" for value in (median(taken), median(outside), min(outside)))


@torch.inference_mode()
def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 64])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--prompt", type=int, default=64, help="tokens of every prompt")
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(CHOSEN))
    args = parser.parse_args()
    pool, lead = TimedPool(), args.prompt * max(args.batches) // 512
    engine, vocab = open_engine(args.model, max(args.batches), args.prompt + args.steps + 8 + lead)
    for batch in args.batches:
        print(f"\nbatch {batch}, milliseconds {'step':>15}{'outside':>12}{'smallest':>12}")
        prompts = [[random.Random(seed).randrange(vocab) for _ in range(args.prompt)] for seed in range(batch)]
        for name in args.settings:
            print(f"{name:25}{measure(engine, pool, prompts, SETTINGS[name], args.steps)}", flush=True)


if __name__ == "__main__":
    main()
