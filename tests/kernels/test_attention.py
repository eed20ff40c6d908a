"""Attention over the paged cache against the reference: ragged batches, head sizes, groups, windows, soft caps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mistralrs.ops import AttentionSpec, LayerCache, StepContext, Weight, record
from mistralrs_plugins.kernels.cpu import threads
from tests.kernels.probes import Sequences, compiled, nmse, reference_table, run_both


def attend_both(
    spec: AttentionSpec,
    lengths: list[tuple[int, int]],
    kind: torch.dtype,
    block_size: int = 4,
    seed: int = 0,
    sinks: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Append random keys and values to a random past, and attend."""
    torch.manual_seed(seed)
    sequences = Sequences(lengths, block_size)
    shape = (sequences.pool_blocks, block_size, spec.kv_heads, spec.head_dim)
    sequences.caches = [LayerCache(torch.randn(shape).to(kind), torch.randn(shape).to(kind))]
    sequences.caches[0].k[0] = sequences.caches[0].v[0] = float("nan")  # belongs to nobody
    sizes = (spec.heads * spec.head_dim, spec.kv_heads * spec.head_dim, spec.kv_heads * spec.head_dim)
    table = Weight.dense(torch.randn(sequences.tokens, sum(sizes)))
    eye = Weight.dense(torch.eye(sizes[0]))

    def forward(step: StepContext) -> torch.Tensor:
        q, k, v = step.ops.split(step.ops.embed(step.ids, table, torch.float32), sizes)
        return step.ops.head(step.ops.rows(step.attend(0, q, k, v, spec, sinks), step.rows), eye, None)

    step = sequences.context(reference_table(), torch.arange(sequences.tokens))
    return run_both(forward, step, [] if sinks is None else [sinks])


def spec(heads: int = 6, kv_heads: int = 2, head_dim: int = 64, **more: object) -> AttentionSpec:
    return AttentionSpec(heads=heads, kv_heads=kv_heads, head_dim=head_dim, scale=head_dim**-0.5, **more)  # type: ignore[arg-type]


CASES = {
    "prompt": [(0, 70)],
    "one token": [(0, 1)],
    "decode": [(30, 1), (0, 1), (99, 1)],
    "long decode": [(1100, 1)],
    "chunks beside decode": [(17, 40), (300, 1), (0, 9)],
}


@pytest.mark.parametrize("kind", [torch.float32, torch.float16], ids=["f32", "f16"])
@pytest.mark.parametrize("lengths", CASES.values(), ids=CASES.keys())
def test_ragged_batches(lengths: list[tuple[int, int]], kind: torch.dtype) -> None:
    actual, expected = attend_both(spec(), lengths, kind)
    assert nmse(actual, expected) <= 1e-6


@pytest.mark.parametrize("head_dim", [8, 12, 64, 80, 96, 128, 192, 256])
def test_head_sizes(head_dim: int) -> None:
    actual, expected = attend_both(spec(2, 1, head_dim), [(40, 3), (70, 1)], torch.float16)
    assert nmse(actual, expected) <= 1e-6


@pytest.mark.parametrize("group", [1, 2, 5, 7, 16, 40])
def test_groups(group: int) -> None:
    actual, expected = attend_both(spec(2 * group, 2, 16), [(40, 33), (70, 1)], torch.float16)
    assert nmse(actual, expected) <= 1e-6


@pytest.mark.parametrize("window", [1, 5, 32, 33, 1000])
def test_windows(window: int) -> None:
    actual, expected = attend_both(spec(window=window), [(0, 70), (700, 1), (90, 5)], torch.float32)
    assert nmse(actual, expected) <= 1e-6


@pytest.mark.parametrize("window", [None, 20])
def test_soft_cap(window: int | None) -> None:
    actual, expected = attend_both(spec(softcap=5.0, window=window), [(0, 40), (600, 1)], torch.float32)
    assert nmse(actual, expected) <= 1e-6


@pytest.mark.parametrize("chunk", [1, 7, 32, 64, 1000])
def test_chunks_of_the_past(chunk: int) -> None:
    actual, expected = attend_both(spec(chunk=chunk), [(0, 70), (700, 1), (90, 5)], torch.float32)
    assert nmse(actual, expected) <= 1e-6


@pytest.mark.parametrize("size", [0.0, 3.0, 60.0, -200.0])
def test_sinks(size: float) -> None:
    sinks = size + torch.randn(6, generator=torch.Generator().manual_seed(1))
    actual, expected = attend_both(spec(window=600), [(0, 40), (900, 1), (3, 2)], torch.float32, sinks=sinks)
    # Beside a large sink little is left of the values; both are then compared with what they would be without it.
    without, _ = attend_both(spec(window=600), [(0, 40), (900, 1), (3, 2)], torch.float32)
    assert float((actual - expected).square().sum() / without.square().sum()) <= 1e-6
    if size < 10:
        assert nmse(actual, expected) <= 1e-6


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(0, 90), st.integers(1, 40)), min_size=1, max_size=4),
    block_size=st.sampled_from([1, 3, 16, 32]),
    kv_heads=st.integers(1, 3),
    group=st.integers(1, 16),
    head_dim=st.sampled_from([24, *range(64, 257, 8)]),
    window=st.sampled_from([None, 1, 9, 64]),
    kind=st.sampled_from([torch.float16, torch.float32]),
    seed=st.integers(0, 1000),
)
def test_any_batch(
    lengths: list[tuple[int, int]],
    block_size: int,
    kv_heads: int,
    group: int,
    head_dim: int,
    window: int | None,
    kind: torch.dtype,
    seed: int,
) -> None:
    group = min(group, max(1, 1024 // (kv_heads * head_dim)))  # the probe's own matrix grows with the square of it
    wanted = spec(kv_heads * group, kv_heads, head_dim, window=window)
    actual, expected = attend_both(wanted, lengths, kind, block_size, seed)
    assert nmse(actual, expected) <= 1e-6


@pytest.fixture
def on_threads() -> Iterator[Callable[[int], None]]:
    yield threads.set_threads
    threads.reset()


def test_every_number_of_threads_gives_the_same(on_threads: Callable[[int], None]) -> None:
    results = []
    for count in (1, 2, 5):
        on_threads(count)
        results.append(attend_both(spec(), [(900, 1), (3, 50)], torch.float16)[0])
    assert all(torch.equal(results[0], other) for other in results[1:])


@pytest.mark.parametrize("heads", [(6, 2), (8, 8), (5, 1)], ids=str)
@pytest.mark.parametrize(
    "more",
    [{}, {"window": 300}, {"window": 45, "softcap": 5.0}, {"chunk": 333}],
    ids=["all", "window", "capped", "chunk"],
)
def test_a_token_s_result_is_the_same_in_any_piece(
    heads: tuple[int, int], more: dict[str, Any], on_threads: Callable[[int], None]
) -> None:
    """Bit for bit: pieces of a prompt begin in the middle of tiles, segments and windows, or hold single tokens."""
    wanted = spec(*heads, head_dim=24, **more)
    count, width = 650, wanted.heads * wanted.head_dim
    whole = Sequences([(0, count)])
    shape = (whole.pool_blocks, whole.block_size, wanted.kv_heads, wanted.head_dim)
    whole.caches = [LayerCache(torch.zeros(shape).half(), torch.zeros(shape).half())]
    sizes = (width, wanted.kv_heads * wanted.head_dim, wanted.kv_heads * wanted.head_dim)
    table, eye = Weight.dense(torch.randn(count, sum(sizes))), Weight.dense(torch.eye(width))

    def forward(step: StepContext) -> torch.Tensor:
        q, k, v = step.ops.split(step.ops.embed(step.ids, table, torch.float32), sizes)
        return step.ops.head(step.ops.rows(step.attend(0, q, k, v, wanted), step.rows), eye, None)

    step = whole.context(reference_table(), torch.arange(count))
    with torch.inference_mode():
        run = compiled(record(forward, step, [])[0])
        together = run(step)
        for threads_used in (1, 2):
            on_threads(threads_used)
            for new in (1, 2, 3, 7, 40, 150, 395):
                piece = Sequences([(count - new, new)], caches=whole.caches)
                found = run(piece.context(reference_table(), torch.arange(count - new, count)))
                assert torch.equal(found, together[-new:]), (threads_used, new)
