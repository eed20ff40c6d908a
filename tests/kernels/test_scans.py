"""Convolutions and scans of the reference: chunks equal single tokens, and single tokens equal the formulas."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mistralrs.errors import EngineError
from mistralrs.ops import AttentionMeta, ScanWeights, StateCache
from mistralrs_plugins.kernels.torch import conv, scan

HEADS, DIM, SIZE, GROUPS = 4, 6, 5, 2
TOKENS = 2 * scan.CHUNK + 17
Run = Callable[[StateCache, AttentionMeta, slice], Tensor]


def meta_of(queries: list[int], contexts: list[int], swapped: bool = False) -> AttentionMeta:
    """Each sequence between two slots of its own, in one direction or the other."""
    count = len(queries)
    slots = torch.arange(2 * count).view(2, count)
    return AttentionMeta(
        query_start=torch.tensor([0, *torch.tensor(queries).cumsum(0).tolist()]),
        context=torch.tensor(contexts),
        slots=torch.empty(0),
        blocks=torch.empty(0),
        queries=queries,
        contexts=contexts,
        states_from=slots[int(swapped)],
        states_to=slots[1 - int(swapped)],
    )


def random(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def weights(*shape: int, in_turns: bool = False) -> ScanWeights:
    rates = -torch.rand(*shape, generator=torch.Generator().manual_seed(9)) - 0.1
    return ScanWeights(rates, random(8, shape[0]), random(7, shape[0]), (0.01, 2.0), in_turns)


def ssd(cache: StateCache, meta: AttentionMeta, part: slice) -> Tensor:
    x, dt = random(0, TOKENS, HEADS * DIM)[part], random(1, TOKENS, HEADS)[part]
    b, c = (random(seed, TOKENS, GROUPS * SIZE)[part] for seed in (2, 3))
    return scan.ssd(x, dt, b, c, weights(HEADS), cache, meta)


def selective(cache: StateCache, meta: AttentionMeta, part: slice) -> Tensor:
    x, dt = random(0, TOKENS, DIM)[part], random(1, TOKENS, DIM)[part]
    b, c = (random(seed, TOKENS, SIZE)[part] for seed in (2, 3))
    return scan.selective_scan(x, dt, b, c, weights(DIM, SIZE), cache, meta)


def delta(cache: StateCache, meta: AttentionMeta, part: slice, in_turns: bool = False) -> Tensor:
    q, k = (random(seed, TOKENS, GROUPS * SIZE)[part] for seed in (0, 1))
    beta, alpha = (random(seed, TOKENS, HEADS)[part] for seed in (3, 4))
    plain = weights(HEADS, in_turns=in_turns)
    return scan.delta_rule(q, k, random(2, TOKENS, HEADS * DIM)[part], beta, alpha, plain, cache, meta)


def convolve(cache: StateCache, meta: AttentionMeta, part: slice) -> Tensor:
    return conv.conv(random(0, TOKENS, DIM)[part], random(1, DIM, 4), random(2, DIM), "silu", cache, meta)


CASES: dict[str, tuple[Run, tuple[int, ...]]] = {
    "ssd": (ssd, (HEADS, DIM, SIZE)),
    "selective": (selective, (DIM, SIZE)),
    "delta": (delta, (HEADS, SIZE, DIM)),
    "delta, keys in turns": (partial(delta, in_turns=True), (HEADS, SIZE, DIM)),
    "conv": (convolve, (DIM, 3)),
}


@pytest.mark.parametrize(("run", "shape"), CASES.values(), ids=CASES)
def test_chunks_of_any_length_equal_single_tokens(run: Run, shape: tuple[int, ...]) -> None:
    expected, cache = [], StateCache(torch.full((2, *shape), float("nan")))
    for at in range(TOKENS):
        expected.append(run(cache, meta_of([1], [at + 1], swapped=bool(at % 2)), slice(at, at + 1)))
    last = cache.states[TOKENS % 2]
    for cuts in ([TOKENS], [1, 70, 2, TOKENS - 73]):
        cache, at, actual = StateCache(torch.full((2, *shape), float("nan"))), 0, []
        for step, count in enumerate(cuts):
            part = slice(at, at + count)
            actual.append(run(cache, meta_of([count], [part.stop], swapped=bool(step % 2)), part))
            at = part.stop
        torch.testing.assert_close(torch.cat(actual), torch.cat(expected), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(cache.states[len(cuts) % 2], last, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("run", "shape"), CASES.values(), ids=CASES)
def test_neighbours_of_any_length_do_not_disturb(run: Run, shape: tuple[int, ...]) -> None:
    """Two that begin and two that go on, of two lengths, over one run of tokens."""
    queries = [1, 5, 1, 5]
    cache = StateCache(random(5, 8, *shape))
    cache.states[:2] = float("nan")  # whose sequences begin
    together = run(cache, meta_of(queries, [1, 5, 8, 13]), slice(0, 12))
    start = 0
    for row, (count, context) in enumerate(zip(queries, [1, 5, 8, 13], strict=True)):
        alone = StateCache(random(5, 8, *shape)[[row, row]])
        part = slice(start, start + count)
        expected = run(alone, meta_of([count], [context]), part)
        torch.testing.assert_close(together[part], expected, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(cache.states[4 + row], alone.states[1], rtol=1e-4, atol=1e-5)
        start = part.stop
    assert torch.equal(cache.states[2:4], random(5, 8, *shape)[2:4]), "what a step reads stays as it was"


def test_single_tokens_are_the_formula_of_the_state_space() -> None:
    cache, made = StateCache(random(5, 2, HEADS, DIM, SIZE)), weights(HEADS)
    state, at = cache.states[0], slice(3, 4)
    actual = ssd(cache, meta_of([1], [9]), at)
    assert made.dt_bias is not None
    assert made.d is not None
    step = F.softplus(random(1, TOKENS, HEADS)[3] + made.dt_bias).clamp(0.01, 2)[:, None, None]
    x = random(0, TOKENS, HEADS * DIM)[3].view(HEADS, DIM, 1)
    b, c = (random(seed, TOKENS, GROUPS * SIZE)[3].view(GROUPS, 1, SIZE).repeat_interleave(2, 0) for seed in (2, 3))
    state = state * torch.exp(step * made.a[:, None, None]) + step * x * b
    expected = (state * c).sum(-1) + made.d[:, None] * x[..., 0]
    torch.testing.assert_close(actual[0], expected.flatten())


def test_single_tokens_are_the_formula_of_the_delta_rule() -> None:
    cache, made = StateCache(random(5, 2, HEADS, SIZE, DIM)), weights(HEADS)
    state = cache.states[0]
    actual = delta(cache, meta_of([1], [9]), slice(3, 4))
    assert made.dt_bias is not None
    q, k = (F.normalize(random(seed, TOKENS, GROUPS * SIZE)[3].view(GROUPS, SIZE), dim=-1) for seed in (0, 1))
    q, k = (part.repeat_interleave(2, 0) for part in (q / SIZE**0.5, k))
    step = F.softplus(random(4, TOKENS, HEADS)[3] + made.dt_bias).clamp(0.01, 2)
    state = state * torch.exp(step * made.a)[:, None, None]
    wrong = random(2, TOKENS, HEADS * DIM)[3].view(HEADS, DIM) - torch.einsum("hk,hkv->hv", k, state)
    state = state + torch.einsum("hk,hv->hkv", k, torch.sigmoid(random(3, TOKENS, HEADS)[3])[:, None] * wrong)
    torch.testing.assert_close(actual[0], torch.einsum("hk,hkv->hv", q, state).flatten(), rtol=1e-4, atol=1e-5)


def test_a_step_without_states_says_so() -> None:
    meta = meta_of([1], [1])
    meta.states_from = None
    with pytest.raises(EngineError, match="carries states"):
        convolve(StateCache(torch.zeros(2, DIM, 3)), meta, slice(0, 1))
