"""Small recordings around single operations, run by the compiled kernels and by the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mistralrs.layouts import LAYOUTS, Layout
from mistralrs.ops import AttentionMeta, LayerCache, Ops, OpTable, Recording, StepContext, Weight, record
from mistralrs_plugins.kernels.cpu.backend import CpuBackend
from mistralrs_plugins.kernels.torch.backend import TorchBackend

FACTOR_BYTES = {
    "q4_0": (0,),
    "q4_1": (0, 2),
    "q5_0": (0,),
    "q5_1": (0, 2),
    "q8_0": (0,),
    "q2_k": (80, 82),
    "q3_k": (108,),
    "q4_k": (0, 2),
    "q5_k": (0, 2),
    "q6_k": (208,),
}
"""Where the half-precision factors of a block lie; everything else in a block may be any bits."""
EXPONENTS = {"mxfp4": 0}
"""Where instead of factors the exponent of one lies."""


def random_weight(name: str, rows: int, width: int, seed: int = 0) -> Weight:
    """Any bits as values and small scales, with factors that keep products in a sane range."""
    generator = torch.Generator().manual_seed(seed)
    layout: Layout = LAYOUTS[name]
    if layout.dense:
        dtype = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[name]
        return Weight.dense(torch.randn(rows, width, generator=generator).to(dtype))
    blocks = torch.randint(0, 256, (rows * width // layout.block, layout.block_bytes), generator=generator)
    data = blocks.to(torch.uint8)
    if name in EXPONENTS:
        data[:, EXPONENTS[name]] = torch.randint(120, 126, (len(data),), generator=generator)
    for at in FACTOR_BYTES.get(name, ()):
        factor = (torch.rand(len(data), generator=generator) * 0.1 + 0.01).to(torch.float16)
        data[:, at : at + 2] = factor.view(torch.uint8).view(-1, 2)
    return Weight(data.view(rows, -1), layout, (rows, width))


def nmse(actual: Tensor, expected: Tensor) -> float:
    """Squared error over squared magnitude."""
    return float((actual - expected).square().sum() / expected.square().sum().clamp(min=1e-30))


@dataclass
class Sequences:
    """What a step brings: for each sequence its past and its new tokens, over a paged cache."""

    lengths: Sequence[tuple[int, int]]
    block_size: int = 4
    caches: list[LayerCache] = field(default_factory=list)

    def context(self, table: OpTable, ids: Tensor, rows: Tensor | None = None) -> StepContext:
        """The step. Blocks are handed out from the end of the pool, so that their order is not the tokens' order."""
        starts, contexts, slots, positions, blocks, free = [0], [], [], [], [], self.pool_blocks
        for past, new in self.lengths:
            total = past + new
            owned = [free := free - 1 for _ in range(-(-total // self.block_size))]
            places = range(past, total)
            slots += [owned[p // self.block_size] * self.block_size + p % self.block_size for p in places]
            positions += places
            starts.append(starts[-1] + new)
            contexts.append(total)
            blocks.append(owned)
        width = max(map(len, blocks))
        meta = AttentionMeta(
            query_start=torch.tensor(starts),
            context=torch.tensor(contexts),
            slots=torch.tensor(slots),
            blocks=torch.tensor([owned + [0] * (width - len(owned)) for owned in blocks]),
            queries=[new for _, new in self.lengths],
            contexts=contexts,
        )
        wanted = torch.arange(starts[-1]) if rows is None else rows
        where = torch.tensor(positions)
        return StepContext(ops=Ops(table), ids=ids, positions=where, rows=wanted, meta=meta, caches=self.caches)

    @property
    def pool_blocks(self) -> int:
        """Blocks that all sequences take, and one that stays unused."""
        return 1 + sum(-(-(past + new) // self.block_size) for past, new in self.lengths)

    @property
    def tokens(self) -> int:
        """New tokens of all sequences."""
        return sum(new for _, new in self.lengths)


def reference_table() -> OpTable:
    """The torch reference alone."""
    return OpTable([TorchBackend()])


def compiled_table() -> OpTable:
    """The compiled kernels, with the reference behind them."""
    return OpTable([CpuBackend(), TorchBackend()])


def run_both(
    forward: Callable[[StepContext], Tensor], step: StepContext, constants: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Result of the compiled recording of ``forward``, and of the reference. The caches are put back in between."""
    saved = [(cache.k.clone(), cache.v.clone()) for cache in step.caches]
    with torch.inference_mode():
        recording, expected = record(forward, step, constants)
        for cache, (k, v) in zip(step.caches, saved, strict=True):
            cache.k.copy_(k)
            cache.v.copy_(v)
        actual = compiled(recording)(step)
    return actual, expected


def compiled(recording: Recording) -> Callable[[StepContext], Tensor]:
    """The compiled form, which has to exist."""
    run = CpuBackend().compile(recording, reference_table())
    assert run is not None
    return run
