"""Norms, rotations, activations and additions against the reference, in recordings of a few operations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mistralrs.ops import Ops, StepContext, Weight
from mistralrs_plugins.kernels.cpu.kernels.sizes import ACTIVATIONS, GATES
from tests.kernels.probes import Sequences, nmse, random_weight, reference_table, run_both

pytestmark = pytest.mark.usefixtures("step_kernels")

TOKENS = 5


def probe(width: int, out: int, body: Callable[[Ops, Tensor, StepContext], Tensor], *constants: Tensor) -> None:
    """Run ``body`` on random rows of ``width``; it gives rows of ``out``."""
    torch.manual_seed(width)
    table, eye = Weight.dense(3 * torch.randn(TOKENS, width)), Weight.dense(torch.eye(out))

    def forward(step: StepContext) -> Tensor:
        x = step.ops.embed(step.ids, table, torch.float32)
        return step.ops.head(step.ops.rows(body(step.ops, x, step), step.rows), eye, None)

    step = Sequences([(11, 2), (500, 3)]).context(reference_table(), torch.arange(TOKENS))
    actual, expected = run_both(forward, step, constants)
    assert actual.shape == expected.shape
    assert nmse(actual, expected) <= 1e-6


@settings(max_examples=20, deadline=None)
@given(width=st.integers(1, 90), groups=st.integers(1, 4), offset=st.sampled_from([0.0, 1.0]))
def test_rms_norm(width: int, groups: int, offset: float) -> None:
    weight = torch.randn(width)
    probe(width * groups, width * groups, lambda ops, x, _: ops.rms_norm(x, weight, 1e-5, offset), weight)


@pytest.mark.parametrize("style", ["halves", "adjacent"])
@pytest.mark.parametrize(("head_dim", "rotary"), [(64, 64), (12, 12), (96, 32), (10, 6)])
def test_rope(style: str, head_dim: int, rotary: int) -> None:
    frequencies = 10000.0 ** (-torch.arange(0, rotary, 2) / rotary)

    def body(ops: Ops, x: Tensor, step: StepContext) -> Tensor:
        cos, sin = ops.rotation(step.positions, frequencies, 1.2)
        return ops.rope(x, cos, sin, head_dim, style)  # type: ignore[arg-type]

    probe(3 * head_dim, 3 * head_dim, body, frequencies)


@settings(max_examples=20, deadline=None)
@given(
    width=st.integers(1, 90),
    groups=st.integers(1, 4),
    weight=st.sampled_from(["none", "group", "row"]),
    bias=st.sampled_from(["none", "group", "row"]),
)
def test_layer_norm(width: int, groups: int, weight: str, bias: str) -> None:
    sizes = {"group": width, "row": width * groups}
    factors = [torch.randn(sizes[kind]) if kind in sizes else None for kind in (weight, bias)]
    constants = [factor for factor in factors if factor is not None]
    whole = width * groups

    def body(ops: Ops, x: Tensor, _: StepContext) -> Tensor:
        return ops.layer_norm(ops.scale(x, 2.0), factors[0], factors[1], 1e-3, width)

    probe(whole, whole, body, *constants)


def test_frequencies_by_the_length_that_a_request_may_have() -> None:
    short, long = torch.rand(16), torch.rand(16)

    def body(ops: Ops, x: Tensor, step: StepContext) -> Tensor:
        step.meta.limits = torch.tensor([100, 5000, 4096, 4097, 100000])
        for frequencies in (
            ops.long_frequencies(step.meta, short, long, 4096),
            ops.dynamic_frequencies(step.meta, 32, 10000.0, 2.0, 4096),
        ):
            cos, sin = ops.rotation(step.positions, frequencies, 1.2)
            x = ops.rope(x, cos, sin, 64, "halves")
        return x

    probe(128, 128, body, short, long)


@pytest.mark.parametrize("first", [0, 1])
def test_queries_far_into_a_text_are_sharper(first: int) -> None:
    probe(40, 40, lambda ops, x, step: ops.position_scale(x, step.positions, 100.0, 0.3, first))


@pytest.mark.parametrize("activation", [*ACTIVATIONS, *GATES])
@pytest.mark.parametrize("width", [1, 7, 48, 515, 1100])
def test_gated(activation: str, width: int) -> None:
    def body(ops: Ops, x: Tensor, _: StepContext) -> Tensor:
        gate, up = ops.split(x, (width, width))
        return ops.gated(gate, up, activation)

    probe(2 * width, width, body)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("width", [1, 7, 48, 515])
def test_activate(activation: str, width: int) -> None:
    probe(width, width, lambda ops, x, _: ops.activate(x, activation))


@pytest.mark.parametrize("eps", [-1e-6, -0.3, 0.2])
def test_xielu(eps: float) -> None:
    numbers = [torch.tensor(number) for number in (0.8, 0.6, 0.5, eps)]
    probe(77, 77, lambda ops, x, _: ops.xielu(x, *numbers), *numbers)


@pytest.mark.parametrize("width", [1, 9, 520])
def test_scale_clamp_and_cap(width: int) -> None:
    probe(width, width, lambda ops, x, _: ops.softcap(ops.clamp(ops.scale(x, -0.7), 1.5), 2.0))


@pytest.mark.parametrize("width", [1, 9, 520])
@pytest.mark.parametrize("name", ["add", "multiply"])
def test_two_values(name: str, width: int) -> None:
    def body(ops: Ops, x: Tensor, _: StepContext) -> Tensor:
        left, right = ops.split(x, (width, width))
        return getattr(ops, name)(left, right)  # type: ignore[no-any-return]

    probe(2 * width, width, body)


def test_one_row_for_all_tokens() -> None:
    row = torch.randn(40)
    probe(40, 40, lambda ops, x, _: ops.multiply(x, row), row)


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 20), min_size=1, max_size=4), groups=st.integers(1, 5))
def test_pieces_of_groups(sizes: list[int], groups: int) -> None:
    def body(ops: Ops, x: Tensor, _: StepContext) -> Tensor:
        *others, last = ops.split_groups(x, sizes, groups)
        for piece in reversed(others):
            last = ops.join_heads(last, piece, groups)
        return last

    probe(sum(sizes) * groups, sum(sizes) * groups, body)


@pytest.mark.parametrize("name", [*ACTIVATIONS, "scale", "clamp"])
def test_damaged_numbers_stay_visible_and_alone(name: str) -> None:
    table = torch.ones(TOKENS, 40)
    table[1, 3] = float("nan")
    rows, eye = Weight.dense(table), Weight.dense(torch.eye(40))

    def forward(step: StepContext) -> Tensor:
        x = step.ops.embed(step.ids, rows, torch.float32)
        x = getattr(step.ops, name)(x, 2.0) if name in ("scale", "clamp") else step.ops.activate(x, name)
        return step.ops.head(step.ops.rows(x, step.rows), eye, None)

    step = Sequences([(0, TOKENS)]).context(reference_table(), torch.arange(TOKENS))
    actual, _ = run_both(forward, step, [])
    assert not actual[1].isfinite().all()
    assert actual[[0, 2, 3, 4]].isfinite().all()


def test_integers_for_the_next_product_are_those_of_the_value() -> None:
    """Whatever makes a value also quantizes it when a product of quantized weights follows."""
    weight, vector = random_weight("q8_0", 40, 64), torch.randn(64)
    bodies: list[Callable[[Ops, Tensor], Tensor]] = [
        lambda ops, x: ops.activate(x, "gelu"),
        lambda ops, x: ops.gated(x, x, "silu"),
        lambda ops, x: ops.layer_norm(x, vector, vector, 1e-5, 64),
        lambda ops, x: ops.multiply(x, vector),
        lambda ops, x: ops.scale(x, 0.1),
    ]
    eye = torch.eye(40)
    for body in bodies:
        probe(64, 40, lambda ops, x, _, body=body: ops.linear(body(ops, x), weight, None), vector, eye)  # type: ignore[misc]


def test_rows_by_position() -> None:
    """Learned positions are a table too."""
    places = Weight.dense(torch.randn(600, 24))

    def body(ops: Ops, x: Tensor, step: StepContext) -> Tensor:
        return ops.add(x, ops.embed(step.positions, places, torch.float32))

    probe(24, 24, body)


def test_logits_may_be_scaled_and_capped() -> None:
    table, weight = Weight.dense(torch.randn(9, 40)), Weight.dense(torch.randn(601, 40))

    def forward(step: StepContext) -> Tensor:
        x = step.ops.embed(step.ids, table, torch.float32)
        logits = step.ops.head(step.ops.rows(x, step.rows), weight, None)
        return step.ops.softcap(step.ops.scale(logits, 0.3), 3.0)

    step = Sequences([(0, 9)]).context(reference_table(), torch.arange(9), torch.tensor([8, 0, 3]))
    actual, expected = run_both(forward, step, [])
    assert nmse(actual, expected) <= 1e-6


def test_soft_capped_logits() -> None:
    table, weight = Weight.dense(torch.randn(9, 40)), Weight.dense(torch.randn(601, 40))

    def forward(step: StepContext) -> Tensor:
        x = step.ops.embed(step.ids, table, torch.float32)
        return step.ops.softcap(step.ops.head(step.ops.rows(x, step.rows), weight, None), 3.0)

    step = Sequences([(0, 9)]).context(reference_table(), torch.arange(9), torch.tensor([8, 0, 3]))
    actual, expected = run_both(forward, step, [])
    assert nmse(actual, expected) <= 1e-6
