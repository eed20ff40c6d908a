"""The exam of compute backends: every operation they offer equals the torch reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from mistralrs.layouts import F32, LAYOUTS, Layout
from mistralrs.layouts.decode import dequantize
from mistralrs.ops import (
    AttentionMeta,
    AttentionSpec,
    Backend,
    LayerCache,
    Ops,
    OpTable,
    StepContext,
    Weight,
    record,
)
from mistralrs.plugin import KernelsSpec
from mistralrs.plugin.host import PluginHost
from mistralrs.testing.conformance.base import PluginConformance
from mistralrs.testing.paged import reference_backend

WIDTH = 512
HEADS, KV_HEADS, HEAD_DIM = 4, 2, 16
BLOCK = 4

ATTENTION: dict[str, dict[str, Any]] = {
    "plain": {},
    "window": {"window": 3},
    "softcap": {"softcap": 5.0},
    "window-softcap": {"window": 5, "softcap": 2.0},
}
BATCHES = {
    "decode": ((0, 1), (7, 8), (12, 13)),
    "prefill": ((0, 9),),
    "chunk": ((6, 13),),
    "mixed": ((0, 6), (9, 10), (3, 7)),
}
"""Each sequence's tokens that are new in the step, as (from, to)."""


class KernelsConformance(PluginConformance):
    """Nothing to give: the operations and layouts are those the backend answers to.

    ``tolerance`` is relative to the largest value of the expected result. Backends that round activations (to eight
    bits, say) set ``product_tolerance``, which holds for products over quantized weights.
    """

    tolerance: ClassVar[float] = 1e-4
    product_tolerance: ClassVar[float] = 0.03

    @pytest.fixture(scope="class")
    @classmethod
    def device(cls, spec: KernelsSpec) -> torch.device:
        """The first device of the declaration that this machine has."""
        for name in spec.devices:
            if name == "cpu" or getattr(torch, name).is_available():
                return torch.device(name)
        pytest.skip(f"this machine has none of: {', '.join(spec.devices)}")

    @pytest.fixture(scope="class")
    @classmethod
    def backend(cls, host: PluginHost, spec: KernelsSpec, device: torch.device) -> Backend:
        """The backend under test."""
        made: Backend = host.make(spec, spec.backend)
        return made

    @pytest.fixture(scope="class")
    @classmethod
    def ops(cls, backend: Backend) -> Ops:
        """Its operations, with the reference below for what it leaves out."""
        return Ops(OpTable([backend, reference_backend()]))

    @pytest.fixture(scope="class")
    @classmethod
    def reference(cls) -> Ops:
        """What it is compared with."""
        return Ops(OpTable([reference_backend()]))

    def close(self, actual: Tensor, expected: Tensor, tolerance: float | None = None) -> None:
        """Compare, on the CPU, with a tolerance relative to the largest expected value."""
        assert actual.shape == expected.shape
        assert actual.dtype == expected.dtype
        actual, expected = actual.cpu().float(), expected.cpu().float()
        limit = (self.tolerance if tolerance is None else tolerance) * expected.abs().max().item()
        assert (actual - expected).abs().max().item() <= limit

    def test_it_has_the_name_of_its_declaration(self, backend: Backend, spec: KernelsSpec) -> None:
        assert backend.name == spec.name

    def test_it_declines_what_it_does_not_know(self, backend: Backend) -> None:
        assert backend.find("no_such_operation", "") is None

    @pytest.mark.parametrize("rows", [1, 2, 7, 33])
    @pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
    def test_products(
        self, backend: Backend, ops: Ops, reference: Ops, device: torch.device, layout: Layout, rows: int
    ) -> None:
        if backend.find("linear", layout.name) is None:
            pytest.skip(f"offers no product over {layout.name}")
        weight = random_weight(layout, 40, WIDTH).to(device)
        x, bias = noise(rows, WIDTH).to(device), noise(40).to(device)
        prepared = ops.table.prepare(weight)
        tolerance = self.tolerance if layout is F32 else self.product_tolerance
        for given in (None, bias):
            self.close(ops.linear(x, prepared, given), reference.linear(x, weight, given), tolerance)
        self.close(ops.head(x, prepared), reference.head(x, weight), tolerance)

    @pytest.mark.parametrize("layout", LAYOUTS.values(), ids=lambda layout: layout.name)
    def test_embedding_rows(self, ops: Ops, reference: Ops, device: torch.device, layout: Layout) -> None:
        table, ids = random_weight(layout, 40, WIDTH).to(device), torch.tensor([3, 39, 0, 3], device=device)
        for scale in (1.0, 2.5):
            got, wanted = (each.embed(ids, table, torch.float32, scale) for each in (ops, reference))
            self.close(got, wanted)

    def test_norms(self, ops: Ops, reference: Ops, device: torch.device) -> None:
        x = noise(5, WIDTH).to(device)
        for width in (WIDTH, HEAD_DIM):
            weight = noise(width).to(device)
            for offset in (0.0, 1.0):
                self.close(ops.rms_norm(x, weight, 1e-6, offset), reference.rms_norm(x, weight, 1e-6, offset))

    @pytest.mark.parametrize("style", ["halves", "adjacent"])
    @pytest.mark.parametrize("rotary", [HEAD_DIM, HEAD_DIM // 2], ids=["whole", "part"])
    def test_rotation(self, ops: Ops, reference: Ops, device: torch.device, style: Any, rotary: int) -> None:
        positions = torch.tensor([0, 1, 17, 4000], device=device)
        inv_freq = 10_000.0 ** -(torch.arange(0, rotary, 2, device=device) / rotary)
        x = noise(4, HEADS * HEAD_DIM).to(device)
        got = ops.rope(x, *ops.rotation(positions, inv_freq, 1.5), HEAD_DIM, style)
        self.close(got, reference.rope(x, *reference.rotation(positions, inv_freq, 1.5), HEAD_DIM, style), 1e-3)

    @pytest.mark.parametrize("activation", ["silu", "gelu", "gelu_pytorch_tanh"])
    def test_gated_activation(self, ops: Ops, reference: Ops, device: torch.device, activation: str) -> None:
        gate, up = noise(3, WIDTH).to(device), noise(3, WIDTH).to(device)
        self.close(ops.gated(gate, up, activation), reference.gated(gate, up, activation))

    def test_the_small_operations(self, ops: Ops, reference: Ops, device: torch.device) -> None:
        x, y, index = noise(6, WIDTH).to(device), noise(6, WIDTH).to(device), torch.tensor([5, 0], device=device)
        self.close(ops.add(x, y), reference.add(x, y))
        self.close(ops.rows(x, index), reference.rows(x, index))
        self.close(ops.softcap(x, 3.0), reference.softcap(x, 3.0))
        for got, wanted in zip(ops.split(x, (100, 400, 12)), reference.split(x, (100, 400, 12)), strict=True):
            self.close(got, wanted)

    @pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
    @pytest.mark.parametrize("kind", ATTENTION)
    def test_attention(
        self, ops: Ops, reference: Ops, device: torch.device, kind: str, batch: Sequence[tuple[int, int]]
    ) -> None:
        spec = attention(**ATTENTION[kind])
        tokens = sum(end - start for start, end in batch)
        q, k, v = (noise(tokens, heads * HEAD_DIM).to(device) for heads in (HEADS, KV_HEADS, KV_HEADS))
        results = []
        for each in (ops, reference):
            cache, meta = filled_cache(batch, device)
            each.write_kv(k, v, cache, meta)
            results.append(each.attend(q, cache, meta, spec))
        self.close(results[0], results[1])

    def test_a_compiled_step_equals_the_played_one(self, ops: Ops, reference: Ops, device: torch.device) -> None:
        weight = Weight.dense(noise(WIDTH, WIDTH).to(device) * WIDTH**-0.5)
        table = Weight.dense(noise(40, WIDTH).to(device))
        norm = noise(WIDTH).to(device)

        def forward(step: Any) -> Tensor:
            x = step.ops.embed(step.ids, table, torch.float32)
            x = step.ops.add(x, step.ops.linear(step.ops.rms_norm(x, norm, 1e-6), weight))
            logits: Tensor = step.ops.head(step.ops.rows(x, step.rows), table)
            return logits

        with torch.inference_mode():
            recording, _ = record(forward, _step(ops, 3, device), [norm])
            compiled = ops.table.compile(recording)
            if compiled is None:
                pytest.skip("this backend does not compile")
            for count in (1, 5):
                self.close(compiled(_step(ops, count, device)), forward(_step(reference, count, device)))


def noise(*shape: int) -> Tensor:
    """Normal noise that depends on the shape only."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def random_weight(layout: Layout, rows: int, width: int) -> Weight:
    """A weight of random values or, in a block layout, of random blocks that decode to moderate values."""
    if layout.dtype is not None:
        return Weight((noise(rows, width) * width**-0.5).to(getattr(torch, layout.dtype)), layout, (rows, width))
    wanted = rows * width // layout.block
    kept: list[Tensor] = []
    generator = torch.Generator().manual_seed(layout.block_bytes)
    while sum(map(len, kept)) < wanted:
        raw = torch.randint(0, 256, (4 * wanted, layout.block_bytes), dtype=torch.uint8, generator=generator)
        largest = dequantize(raw, layout).abs().amax(-1)
        kept.append(raw[(largest > 0.01) & (largest < 4)])
    return Weight(torch.cat(kept)[:wanted].view(rows, layout.row_bytes(width)), layout, (rows, width))


def attention(**changes: Any) -> AttentionSpec:
    """Grouped-query attention of a small size."""
    return AttentionSpec(heads=HEADS, kv_heads=KV_HEADS, head_dim=HEAD_DIM, scale=HEAD_DIM**-0.5, **changes)


def filled_cache(batch: Sequence[tuple[int, int]], device: torch.device) -> tuple[LayerCache, AttentionMeta]:
    """A cache that holds the past of every sequence of ``batch``, NaN everywhere else, and where the new tokens go."""
    tables, slots, free = [], [], list(range(40))
    cache = LayerCache(*(torch.full((40, BLOCK, KV_HEADS, HEAD_DIM), float("nan"), device=device) for _ in range(2)))
    for start, end in batch:
        owned = [free.pop() for _ in range(-(-end // BLOCK))]
        places = [owned[place // BLOCK] * BLOCK + place % BLOCK for place in range(end)]
        for pool in (cache.k, cache.v):
            pool.view(-1, KV_HEADS, HEAD_DIM)[places[:start]] = noise(start, KV_HEADS, HEAD_DIM).to(device)
        tables.append(owned)
        slots += places[start:]
    queries, contexts = [end - start for start, end in batch], [end for _, end in batch]
    width = max(map(len, tables))
    return cache, AttentionMeta(
        query_start=torch.tensor([0, *queries], device=device).cumsum(0),
        context=torch.tensor(contexts, device=device),
        slots=torch.tensor(slots, device=device),
        blocks=torch.tensor([table + [0] * (width - len(table)) for table in tables], device=device),
        queries=queries,
        contexts=contexts,
    )


def _step(ops: Ops, count: int, device: torch.device) -> StepContext:
    """``count`` tokens of a model that keeps nothing between steps."""
    _, meta = filled_cache([(0, count)], device)
    ids = torch.arange(count, device=device)
    return StepContext(ops=ops, ids=ids, positions=ids, rows=ids[-1:], meta=meta, caches=())
