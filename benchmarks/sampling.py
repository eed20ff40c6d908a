"""What choosing a token costs beside a model, for each combination of filters.

    python -m benchmarks.sampling [--vocabs 49152 262144] [--batches 1 64] [--rounds 30]

Milliseconds a step, from logits to tokens, on one thread: the median and the smallest of the rounds. Each round
has logits of its own, shaped like a language model's: most of a row's weight is on a few tokens. A first line copies
the logits, which is part of every round.
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


def milliseconds(settings: dict[str, Any] | None, sources: list[torch.Tensor], rounds: int) -> tuple[float, float]:
    """Median and smallest time of a step; of the copy alone without ``settings``."""
    batch, vocab = sources[0].shape
    sequences = [sequence(index, vocab, settings or {}) for index in range(batch)]
    logits, times = torch.empty_like(sources[0]), []
    for index in range(rounds):
        started = time.perf_counter()
        logits.copy_(sources[index % len(sources)])
        if settings is not None:
            sample(logits, sequences)
        times.append(time.perf_counter() - started)
    return 1e3 * median(times), 1e3 * min(times)


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabs", nargs="+", type=int, default=[49152, 262144])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 64])
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for vocab in args.vocabs:
        for batch in args.batches:
            sources = [logits_like(batch, vocab, seed) for seed in range(SOURCES if batch * vocab < 1 << 22 else 1)]
            print(f"\n{vocab} tokens, batch {batch}{'median':>22}{'smallest':>10}")
            for name, settings in {"(copy)": None, **SETTINGS}.items():
                mid, low = milliseconds(settings, sources, args.rounds)
                print(f"{name:32}{mid:10.3f}{low:10.3f}", flush=True)


if __name__ == "__main__":
    main()
