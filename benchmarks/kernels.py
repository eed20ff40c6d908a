"""Bytes a second of each weight type against the memory's, and decode speed over depth and batch size.

    python -m benchmarks.kernels [--types q4_1 q8_0 ...] [--model FILE] [--depths 0 1024 4096] [--batches 1 4 16]

The products are measured on matrices too large for any cache. Run it twice when the machine is shared: what differs
between the runs is not the kernels.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks.steps import SteppedModel
from benchmarks.timing import median_seconds, read_bandwidth
from mistralrs.layouts import LAYOUTS
from mistralrs.ops import Weight
from mistralrs_plugins.kernels.cpu.single import linear
from mistralrs_plugins.kernels.cpu.threads import shared_pool

WIDTH = 2048
SIZE = 96 << 20
"""Bytes of each matrix."""


def random_weight(name: str) -> Weight:
    """A matrix of ``SIZE`` bytes. Its values do not matter, only that none of them is a NaN."""
    layout = LAYOUTS[name]
    rows = SIZE // layout.row_bytes(WIDTH)
    if layout.dense:
        dtype = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[name]
        return Weight.dense(torch.ones(rows, WIDTH, dtype=dtype))
    data = torch.randint(0, 32, (rows, layout.row_bytes(WIDTH)), dtype=torch.uint8)
    return Weight(data, layout, (rows, WIDTH))


def products(names: list[str], batches: list[int]) -> None:
    """One line a type: speed for one row in bytes, for several in operations."""
    memory = read_bandwidth(shared_pool().size)
    print(f"memory: {memory / 1e9:.1f} GB/s read by {shared_pool().size} threads")
    print(f"{'type':6}{'GB/s':>8}{'of memory':>11}" + "".join(f"{f'GFLOP/s x{n}':>16}" for n in batches))
    for name in names:
        weight = random_weight(name)
        alone = weight.nbytes / median_seconds(lambda w=weight: linear(torch.ones(1, WIDTH), w, None))  # type: ignore[misc]
        line = f"{name:6}{alone / 1e9:8.1f}{alone / memory:11.0%}"
        for count in batches:
            x, part = torch.ones(count, WIDTH), weight
            seconds = median_seconds(lambda x=x, w=part: linear(x, w, None), rounds=5)  # type: ignore[misc]
            line += f"{2 * count * weight.shape[0] * WIDTH / seconds / 1e9:16.0f}"
        print(line, flush=True)


def decode(file: Path, depths: list[int], batches: list[int]) -> None:
    """Tokens a second of whole steps, by the number of tokens in the cache and by that of sequences."""
    model = SteppedModel(file, tokens=max(depths) + 64 * max(batches) + 1024)
    print(f"\n{file.name}: prefill of 512 tokens {512 / model.prefill_seconds(512):.0f} tokens/s")
    print(f"{'depth':>8}{'tokens/s':>10}{'a bar for each 10':>20}")
    for depth in depths:
        rate = 1 / model.decode_seconds(1, depth)
        print(f"{depth:8}{rate:10.1f}   {'#' * round(rate / 10)}", flush=True)
    print(f"{'batch':>8}{'tokens/s':>10}{'a bar for each 10':>20}")
    for batch in batches:
        rate = batch / model.decode_seconds(batch, 16)
        print(f"{batch:8}{rate:10.1f}   {'#' * round(rate / 10)}", flush=True)


def main() -> None:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", nargs="*", choices=list(LAYOUTS), default=list(LAYOUTS))
    parser.add_argument("--model", type=Path, help="a GGUF file, for the decode tables")
    parser.add_argument("--depths", nargs="+", type=int, default=[0, 256, 1024, 4096])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 4, 8, 16, 32])
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.types:
        with torch.inference_mode():
            products(args.types, [8, 64])
    if args.model:
        decode(args.model, args.depths, args.batches)


if __name__ == "__main__":
    main()
