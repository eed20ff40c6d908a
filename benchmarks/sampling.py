"""What choosing a token costs beside a model, for each combination of filters.

    python -m benchmarks.sampling [--vocabs 49152 262144] [--batches 1 64] [--rounds 30] [--kernels cpu torch]

Milliseconds a step, from logits to tokens: the median of the rounds, the smallest, and of the smallest what is not
inside the operations of the kernels. Logits are shaped like a language model's: most of a row's weight is on a few
tokens. Making a round's logits is not measured.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

import numpy as np
import torch

from mistralrs.engine.output import OutputText, TokenDecoder
from mistralrs.engine.penalties import LogitAdjuster
from mistralrs.engine.request import Generate, SamplingParams
from mistralrs.engine.sampling import sample
from mistralrs.engine.sequence import Sequence
from mistralrs.ops import Ops, OpTable
from mistralrs.plugin.host import PluginHost

PENALTIES = {"repetition_penalty": 1.1, "presence_penalty": 0.2, "frequency_penalty": 0.3}
SETTINGS: dict[str, dict[str, Any]] = {
    "greedy": {"temperature": 0.0},
    "no filter": {},
    "top-k 40": {"top_k": 40},
    "top-p 0.95": {"top_p": 0.95},
    "min-p 0.05": {"min_p": 0.05},
    "top-k, top-p, min-p": {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05},
    "top-p, min-p": {"top_p": 0.95, "min_p": 0.05},
    "top-p 0.95, temperature 2": {"temperature": 2.0, "top_p": 0.95},
    "penalties": PENALTIES,
    "penalties, top-k, top-p, min-p": {**PENALTIES, "top_k": 40, "top_p": 0.95, "min_p": 0.05},
    "DRY, top-p": {"dry_multiplier": 0.8, "top_p": 0.95},
    "greedy, logprobs": {"temperature": 0.0, "top_logprobs": 20},
    "top-p 0.95, temperature 2, logprobs": {"temperature": 2.0, "top_p": 0.95, "top_logprobs": 20},
    "top-p, logprobs": {"top_p": 0.95, "top_logprobs": 20},
    "everything, logprobs": {
        **PENALTIES, "dry_multiplier": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05, "top_logprobs": 20,
    },
}  # fmt: skip
PROMPT = 512
SOURCES = 4
"""Different logits to take turns with, so that no round finds its own in the cache."""


def sequence(index: int, vocab: int, settings: dict[str, Any]) -> Sequence:
    """A request with a prompt of random tokens."""
    sampling = SamplingParams(**settings, seed=index)
    prompt = np.random.default_rng(index).integers(0, vocab, PROMPT)
    return Sequence(
        Generate(id=index, prompt=tuple(prompt.tolist()), sampling=sampling),
        prompt,
        seed=index,
        output=OutputText(TokenDecoder(None).stream(), ()),
        adjuster=LogitAdjuster(sampling, prompt) if LogitAdjuster.needed(sampling) else None,
        arrived_at=0.0,
    )


def logits_like(batch: int, vocab: int, seed: int) -> torch.Tensor:
    """Normal noise with some tokens far above it."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2.5 * torch.randn(batch, vocab, generator=generator)
    likely = torch.randint(0, vocab, (batch, 200), generator=generator)
    return logits.scatter_add_(1, likely, 18 * torch.rand(batch, 200, generator=generator))


class TimedOps(Ops):
    """Operations that add up the seconds spent in them."""

    seconds = 0.0

    def run(self, op: str, layout: str, *args: Any) -> Any:
        """See :meth:`Ops.run`."""
        started = time.perf_counter()
        result = super().run(op, layout, *args)
        self.seconds += time.perf_counter() - started
        return result


def milliseconds(
    ops: TimedOps, settings: dict[str, Any], sources: list[torch.Tensor], rounds: int
) -> tuple[float, float, float]:
    """Median and smallest time of a step, and what of the smallest is outside the operations."""
    batch, vocab = sources[0].shape
    sequences = [sequence(index, vocab, settings) for index in range(batch)]
    logits, times = torch.empty_like(sources[0]), []
    for index in range(rounds):
        logits.copy_(sources[index % len(sources)])
        ops.seconds, started = 0.0, time.perf_counter()
        sample(ops, logits, sequences)
        seconds = time.perf_counter() - started
        times.append((seconds, seconds - ops.seconds))
    best = min(times)
    return 1e3 * median(seconds for seconds, _ in times), 1e3 * best[0], 1e3 * best[1]


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabs", nargs="+", type=int, default=[49152, 262144])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 64])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--kernels", nargs="+", default=["cpu", "torch"], help="plugins, best first")
    args = parser.parse_args()
    torch.set_num_threads(1)
    host = PluginHost()
    table = OpTable([host.resolve("kernels", name).backend.load()() for name in args.kernels])
    table.warm_up(lambda *_: None)
    for vocab in args.vocabs:
        for batch in args.batches:
            sources = [logits_like(batch, vocab, seed) for seed in range(SOURCES if batch * vocab < 1 << 22 else 1)]
            print(f"\n{vocab} tokens, batch {batch}{'median':>22}{'smallest':>10}{'outside':>10}")
            for name, settings in SETTINGS.items():
                figures = milliseconds(TimedOps(table), settings, sources, args.rounds)
                print(f"{name:32}{''.join(f'{figure:10.3f}' for figure in figures)}", flush=True)


if __name__ == "__main__":
    main()
