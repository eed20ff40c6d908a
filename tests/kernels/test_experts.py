"""Mixtures of experts, sinks, chunks and latent caches: the reference against plain formulas, and others against it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mistralrs.layouts import Q8_0
from mistralrs.ops import AttentionMeta, AttentionSpec, LayerCache, Ops, OpTable, PagedSpec, RouterSpec, Weight
from mistralrs.ops import WeightStack as Stack
from mistralrs.plugin.host import PluginHost
from tests.kernels.probes import random_weight

EXPERTS, WIDTH, INNER = 5, 64, 96


def ops(*names: str) -> Ops:
    host = PluginHost()
    return Ops(OpTable([host.resolve("kernels", name).backend.load()() for name in names]))


@pytest.fixture
def reference() -> Ops:
    return ops("torch")


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def eight_bit(values: Tensor) -> Weight:
    """Quantized blocks of some values near the given ones."""
    blocks = values.unflatten(-1, (-1, 32))
    scales = (blocks.abs().amax(-1, keepdim=True) / 127).half()
    codes = (blocks / scales.float()).round().clamp(-127, 127).to(torch.int8)
    data = torch.cat((scales.view(torch.uint8), codes.view(torch.uint8)), -1).flatten(-2)
    return Weight(data, Q8_0, tuple(values.shape))


def test_softmax_router(reference: Ops) -> None:
    logits = noise(7, EXPERTS)
    weights, chosen = reference.route(logits, None, RouterSpec(top_k=2, normalize=True, scale=3.0))
    best = logits.topk(2).indices
    assert torch.equal(chosen.sort().values, best.sort().values)
    torch.testing.assert_close(weights, 3 * logits.gather(1, chosen).softmax(-1))


def test_a_bias_counts_for_the_choice_only(reference: Ops) -> None:
    bias = torch.tensor([0.0, 0, 0, 0, 9.0])
    logits = noise(4, EXPERTS)
    weights, chosen = reference.route(logits, bias, RouterSpec(top_k=1, scoring="sigmoid"))
    assert chosen.flatten().tolist() == [4] * 4
    torch.testing.assert_close(weights[:, 0], logits[:, 4].sigmoid())


def test_groups_are_judged_by_their_best(reference: Ops) -> None:
    logits = torch.tensor([[5.0, -9.0, 3.0, 2.9]])
    one = RouterSpec(top_k=2, groups=2, group_best=1)
    two = RouterSpec(top_k=2, scoring="sigmoid", groups=2, group_best=2)
    assert set(reference.route(logits, None, one)[1][0].tolist()) == {0, 1}
    assert set(reference.route(logits, None, two)[1][0].tolist()) == {2, 3}


def test_weights_that_all_vanish_are_not_nan(reference: Ops) -> None:
    logits = torch.full((1, EXPERTS), -200.0)
    weights, _ = reference.route(logits, None, RouterSpec(top_k=2, scoring="sigmoid", normalize=True))
    assert weights.isfinite().all()


@pytest.mark.parametrize("names", [("torch",), ("cpu", "torch")], ids="-".join)
@pytest.mark.parametrize("tokens", [1, 9, 40])
@pytest.mark.parametrize("quantized", [False, True])
def test_experts_equal_a_loop_over_tokens(names: tuple[str, ...], tokens: int, quantized: bool) -> None:
    run = ops(*names)
    x, chosen = noise(tokens, WIDTH), noise(tokens, EXPERTS, seed=1).topk(2).indices
    weights, plain = noise(tokens, 2, seed=2).softmax(-1), noise(EXPERTS, INNER, WIDTH, seed=3)
    whole = eight_bit(plain) if quantized else Weight.dense(plain)
    stack = Stack(tuple(map(run.table.prepare, Stack.of(whole).each)))
    bias = noise(EXPERTS, INNER, seed=4)
    rows, order, ends = run.dispatch(x, chosen, EXPERTS)
    result = run.combine(run.expert_linear(rows, ends, stack, bias), order, 2, weights)
    dense = whole.to_dense()
    expected = torch.stack(
        [
            sum(weights[token, k] * (dense[e] @ x[token] + bias[e]) for k, e in enumerate(chosen[token].tolist()))
            for token in range(tokens)
        ]
    )
    assert (result - expected).square().mean() <= (5e-4 if quantized else 1e-9) * expected.square().mean()


@pytest.mark.parametrize("layout", ["f32", "q8_0", "mxfp4"])
@pytest.mark.parametrize("counts", [(0, 0, 0, 0, 0), (0, 1, 0, 0, 2), (7, 0, 40, 1, 3)])
def test_all_experts_at_once_equal_each_by_itself(layout: str, counts: tuple[int, ...]) -> None:
    run, x = ops("cpu", "torch"), noise(sum(counts), WIDTH)
    flat = random_weight(layout, EXPERTS * INNER, WIDTH)
    whole = Weight(flat.data.view(EXPERTS, INNER, -1), flat.layout, (EXPERTS, INNER, WIDTH))
    stack, bias = Stack(tuple(map(run.table.prepare, Stack.of(whole).each))), noise(EXPERTS, INNER, seed=4)
    result = run.expert_linear(x, torch.tensor(counts).cumsum(0), stack, bias)
    each = zip(x.split(counts), stack.each, bias, strict=True)
    assert torch.equal(result, torch.cat([run.linear(rows, weight, own) for rows, weight, own in each]))


def test_half_precision_rows_go_through_decoded_experts() -> None:
    run, plain = ops("cpu", "torch"), noise(EXPERTS, INNER, WIDTH, seed=3)
    x, ends = noise(4, WIDTH).bfloat16(), torch.tensor([0, 1, 1, 4, 4])
    result = run.expert_linear(x, ends, Stack.of(Weight.dense(plain)))
    expected = torch.cat([x[:1] @ plain[1].bfloat16().T, x[1:] @ plain[3].bfloat16().T])
    torch.testing.assert_close(result, expected)


def test_weights_may_come_first(reference: Ops) -> None:
    x, chosen, weights = noise(3, 4), torch.tensor([[1], [0], [1]]), torch.tensor([[2.0], [3.0], [0.5]])
    rows, order, ends = reference.dispatch(x, chosen, 2, weights)
    assert ends.tolist() == [1, 3]
    torch.testing.assert_close(reference.combine(rows, order, 1), x * weights)


def test_experts_of_several_layouts_become_plain() -> None:
    values = noise(2, 3, 32)
    stack = Stack.gathered([Weight.dense(values[0]), eight_bit(values[1])])
    assert stack.layout.name == "f32"


def whole_prompt(length: int) -> AttentionMeta:
    return AttentionMeta(
        query_start=torch.tensor([0, length]),
        context=torch.tensor([length]),
        slots=torch.arange(length),
        blocks=torch.arange(-(-length // 4))[None],
        queries=[length],
        contexts=[length],
    )


def attend(reference: Ops, spec: AttentionSpec, length: int, sinks: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The result and the plain scores of random queries, keys and values with one head of 8."""
    q, k, v = (noise(length, 8, seed=seed) for seed in range(3))
    cache, meta = LayerCache.empty(PagedSpec(kv_heads=1, head_dim=8), 8, 4, torch.float32), whole_prompt(length)
    reference.write_kv(k, v, cache, meta)
    if sinks is None:
        return reference.attend(q, cache, meta, spec), v
    return reference.attend_sinks(q, cache, meta, spec, sinks), v


def test_chunks_see_only_themselves(reference: Ops) -> None:
    spec = AttentionSpec(heads=1, kv_heads=1, head_dim=8, scale=1.0, chunk=4)
    result, v = attend(reference, spec, 10)
    for first in (0, 4, 8):
        torch.testing.assert_close(result[first], v[first])


def test_a_large_sink_takes_everything(reference: Ops) -> None:
    spec = AttentionSpec(heads=1, kv_heads=1, head_dim=8, scale=1.0)
    plain, _ = attend(reference, spec, 6)
    none, _ = attend(reference, spec, 6, torch.tensor([-1e4]))
    everything, _ = attend(reference, spec, 6, torch.tensor([1e4]))
    torch.testing.assert_close(none, plain)
    assert not everything.any()


def test_a_latent_cache_stores_once(reference: Ops) -> None:
    spec = PagedSpec(kv_heads=1, head_dim=12, v_head_dim=8, latent=True)
    assert spec.values_per_token == 12
    cache, latent, meta = LayerCache.empty(spec, 2, 4, torch.float32), noise(5, 12), whole_prompt(5)
    assert cache.v.data_ptr() == cache.k.data_ptr()
    reference.write_latent(latent, cache, meta)
    one = reference.attend(latent, cache, meta, AttentionSpec(heads=1, kv_heads=1, head_dim=12, scale=1.0))
    torch.testing.assert_close(one[0], latent[0, :8])


def test_position_scale_grows_in_steps(reference: Ops) -> None:
    x, positions = torch.ones(3, 2), torch.tensor([2, 3, 7])
    scaled = reference.position_scale(x, positions, 4.0, 0.5, 1)
    expected = 1 + 0.5 * torch.log(torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(scaled[:, 0], expected)
