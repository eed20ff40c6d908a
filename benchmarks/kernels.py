"""Bytes a second of each weight type against the memory's, and decode speed over depth and batch size.

    python -m benchmarks.kernels [--types q4_1 q8_0 ...]
    python -m benchmarks.kernels --model FILE [--depths 0 1024 4096] [--batches 1 4 16] [--svg plot.svg]

The products are measured on matrices too large for any cache. Run it twice when the machine is shared: what differs
between the runs is not the kernels.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.chart import Panel, svg
from benchmarks.steps import SteppedModel
from benchmarks.timing import median_seconds, read_bandwidth
from mistralrs.layouts import LAYOUTS
from mistralrs.ops import Weight
from mistralrs_plugins.kernels.cpu.program.weights import for_products
from mistralrs_plugins.kernels.cpu.single import linear
from mistralrs_plugins.kernels.cpu.threads import shared_pool

WIDTH = 2048
SIZE = 96 << 20
"""Bytes of each matrix."""


def random_weight(name: str) -> Weight:
    """A matrix of ``SIZE`` bytes, prepared. Its values do not matter, only that none is a NaN or subnormal."""
    layout = LAYOUTS[name]
    rows = SIZE // layout.row_bytes(WIDTH)
    if layout.dense:
        dtype = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[name]
        return Weight.dense(torch.ones(rows, WIDTH, dtype=dtype))
    data = torch.randint(32, 64, (rows, layout.row_bytes(WIDTH)), dtype=torch.uint8)
    return for_products(Weight(data, layout, (rows, WIDTH)))


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


def decode(file: Path, depths: list[int], batches: list[int]) -> list[Panel]:
    """Tokens a second of whole steps, by the number of tokens in the cache and by that of sequences."""
    model = SteppedModel(file, tokens=max(depths) + 64 * max(batches) + 1024)
    print(f"\n{file.name}: prefill of 512 tokens {512 / model.prefill_seconds(512):.0f} tokens/s")
    by_depth = _rates("depth", depths, lambda depth: 1 / model.decode_seconds(1, depth))
    by_batch = _rates("batch", batches, lambda batch: batch / model.decode_seconds(batch, 16))
    return [
        Panel(f"{file.name}: one sequence", "tokens in the cache", "tokens/s", by_depth),
        Panel(f"{file.name}: short sequences", "sequences at a time", "tokens/s", by_batch),
    ]


def _rates(name: str, values: list[int], rate: Callable[[int], float]) -> list[tuple[float, float]]:
    """Measure and print one line for each value."""
    print(f"{name:>8}{'tokens/s':>10}{'a bar for each 10':>20}")
    points: list[tuple[float, float]] = []
    for value in values:
        points.append((value, rate(value)))
        print(f"{value:8}{points[-1][1]:10.1f}   {'#' * round(points[-1][1] / 10)}", flush=True)
    return points


def main() -> None:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--types", nargs="*", choices=list(LAYOUTS), default=list(LAYOUTS))
    parser.add_argument("--model", type=Path, help="a GGUF file, for the decode tables")
    parser.add_argument("--depths", nargs="+", type=int, default=[0, 256, 1024, 4096])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 2, 4, 8, 16, 32])
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the decode tables into this file")
    args = parser.parse_args()
    if args.svg and not args.model:
        parser.error("--svg draws decoding: it needs --model")
    torch.set_num_threads(1)
    if args.types:
        with torch.inference_mode():
            products(args.types, [8, 64])
    if args.model:
        panels = decode(args.model, args.depths, args.batches)
        if args.svg:
            args.svg.write_text(svg(panels), encoding="utf-8")


if __name__ == "__main__":
    main()
