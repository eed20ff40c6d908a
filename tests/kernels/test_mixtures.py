"""Mixtures of experts inside a compiled step against the reference: choice, sorting, products, sums."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mistralrs.ops import Ops, RouterSpec, StepContext, Weight, WeightStack
from mistralrs_plugins.kernels.cpu.backend import CpuBackend
from mistralrs_plugins.kernels.cpu.program.lowering import Lowering
from mistralrs_plugins.kernels.cpu.program.weights import NotCompiled
from tests.kernels.probes import Sequences, nmse, random_weight, record, reference_table, run_both

pytestmark = pytest.mark.usefixtures("step_kernels")

WIDTH, INNER = 64, 96


class Mixture:
    """Experts of random weights, chosen by random logits that are far from ties."""

    def __init__(self, layout: str, tokens: int, experts: int, spec: RouterSpec, *, biased: bool, before: bool) -> None:
        torch.manual_seed(tokens + 10 * experts)
        self.spec, self.experts, self.before = spec, experts, before
        self.x, self.eye = Weight.dense(torch.randn(tokens, WIDTH)), Weight.dense(torch.eye(WIDTH))
        order = torch.stack([torch.randperm(experts) for _ in range(tokens)])
        self.logits = Weight.dense(0.25 * order.float() - 1)
        self.correction = 0.1 * torch.randperm(experts) if biased else None
        self.up, self.down = self.stack(layout, INNER, WIDTH), self.stack(layout, WIDTH, INNER)
        self.biases = [torch.randn(experts, size) if biased else None for size in (INNER, WIDTH)]

    def stack(self, layout: str, rows: int, width: int) -> WeightStack:
        return WeightStack(tuple(random_weight(layout, rows, width, seed) for seed in range(self.experts)))

    def constants(self) -> list[Tensor]:
        return [tensor for tensor in (self.correction, *self.biases) if tensor is not None]

    def routed(self, ops: Ops, x: Tensor, step: StepContext) -> Tensor:
        logits = ops.embed(step.ids, self.logits, torch.float32)
        weights, chosen = ops.route(logits, self.correction, self.spec)
        rows, order, ends = ops.dispatch(x, chosen, self.experts, weights if self.before else None)
        hidden = ops.gated(ops.expert_linear(rows, ends, self.up, self.biases[0]), rows_of(ops, rows), "silu")
        rows = ops.expert_linear(hidden, ends, self.down, self.biases[1])
        return ops.combine(rows, order, self.spec.top_k, None if self.before else weights)

    def forward(self, step: StepContext) -> Tensor:
        x = step.ops.embed(step.ids, self.x, torch.float32)
        return step.ops.head(step.ops.rows(self.routed(step.ops, x, step), step.rows), self.eye, None)


def rows_of(ops: Ops, rows: Tensor) -> Tensor:
    """Something ``INNER`` wide with a row for every choice."""
    left, right = ops.split(rows, (WIDTH - (INNER - WIDTH), INNER - WIDTH))
    return ops.join_heads(ops.join_heads(left, right, 1), right, 1)


def error(mixture: Mixture) -> float:
    """Of a step in which every token is one of a prompt's."""
    tokens = mixture.x.shape[0]
    step = Sequences([(0, tokens)]).context(reference_table(), torch.arange(tokens))
    return nmse(*run_both(mixture.forward, step, mixture.constants()))


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(), tokens=st.integers(1, 40), experts=st.integers(1, 20), before=st.booleans(), biased=st.booleans()
)
def test_any_sizes(data: st.DataObject, tokens: int, experts: int, before: bool, biased: bool) -> None:
    spec = RouterSpec(
        top_k=data.draw(st.integers(1, min(experts, 9))),
        scoring=data.draw(st.sampled_from(["softmax", "sigmoid"])),
        normalize=data.draw(st.booleans()),
        scale=data.draw(st.sampled_from([1.0, 2.5])),
    )
    biased, before = data.draw(st.booleans()), data.draw(st.booleans())
    assert error(Mixture("f32", tokens, experts, spec, biased=biased, before=before)) <= 1e-6


@pytest.mark.parametrize("layout", ["q4_1", "q8_0", "mxfp4", "f16"])
@pytest.mark.parametrize("tokens", [1, 3, 33])
def test_stored_experts(layout: str, tokens: int) -> None:
    spec = RouterSpec(top_k=3, normalize=True)
    assert error(Mixture(layout, tokens, 7, spec, biased=tokens == 3, before=False)) <= 1e-6


@pytest.mark.parametrize(("groups", "kept", "best"), [(4, 2, 2), (3, 1, 1), (2, 2, 1), (6, 4, 2)])
def test_the_best_groups(groups: int, kept: int, best: int) -> None:
    spec = RouterSpec(top_k=4, scoring="sigmoid", groups=groups, top_groups=kept, group_best=best, normalize=True)
    assert error(Mixture("f32", 9, 12, spec, biased=True, before=False)) <= 1e-6


def test_a_damaged_token_stays_visible_and_alone() -> None:
    mixture = Mixture("q8_0", 5, 6, RouterSpec(top_k=2), biased=False, before=False)
    mixture.logits.data[1, 2] = float("nan")
    mixture.x.data[3, 7] = float("nan")
    step = Sequences([(0, 5)]).context(reference_table(), torch.arange(5))
    actual, _ = run_both(mixture.forward, step, [])
    assert not actual[[1, 3]].isfinite().any()
    assert actual[[0, 2, 4]].isfinite().all()


def test_a_token_s_bits_do_not_depend_on_its_neighbours() -> None:
    mixture = Mixture("q4_1", 12, 5, RouterSpec(top_k=2, normalize=True), biased=True, before=False)
    step = Sequences([(0, 12)]).context(reference_table(), torch.arange(12))
    with torch.inference_mode():
        recording, _ = record(mixture.forward, step, mixture.constants())
        run = CpuBackend().compile(recording, reference_table())
        assert run is not None
        whole = run(step)
        for token in (0, 5, 11):
            alone = run(Sequences([(0, 1)]).context(reference_table(), torch.tensor([token])))
            assert torch.equal(alone[0], whole[token])


@pytest.mark.parametrize(
    "spec",
    [RouterSpec(top_k=2, scoring="sparsemixer"), RouterSpec(top_k=5, groups=3, top_groups=2)],
    ids=["chosen in rounds", "more experts than the groups have"],
)
def test_what_is_not_compiled_says_so(spec: RouterSpec) -> None:
    mixture = Mixture("f32", 2, 6, RouterSpec(top_k=2), biased=False, before=False)
    step = Sequences([(0, 2)]).context(reference_table(), torch.arange(2))
    with torch.inference_mode():
        recording, _ = record(mixture.forward, step, mixture.constants())
    route = next(call for call in recording.calls if call.op == "route")
    lowering = Lowering(recording)
    lowering.new(route.args[0].index, 6)
    with pytest.raises(NotCompiled, match="experts chosen"):
        lowering._route(0, type(route)(route.op, route.layout, (*route.args[:2], spec), route.results, ()))
