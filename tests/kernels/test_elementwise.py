"""Norms, rotations, activations and additions against the reference, in recordings of a few operations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mistralrs.ops import Ops, StepContext, Weight
from tests.kernels.probes import Sequences, nmse, reference_table, run_both

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


@pytest.mark.parametrize("activation", ["silu", "gelu_pytorch_tanh"])
@pytest.mark.parametrize("width", [1, 7, 48, 515, 1100])
def test_gated(activation: str, width: int) -> None:
    def body(ops: Ops, x: Tensor, _: StepContext) -> Tensor:
        gate, up = ops.split(x, (width, width))
        return ops.gated(gate, up, activation)

    probe(2 * width, width, body)


@pytest.mark.parametrize("width", [1, 9, 520])
def test_add(width: int) -> None:
    def body(ops: Ops, x: Tensor, _: StepContext) -> Tensor:
        left, right = ops.split(x, (width, width))
        return ops.add(left, right)

    probe(2 * width, width, body)


def test_soft_capped_logits() -> None:
    table, weight = Weight.dense(torch.randn(9, 40)), Weight.dense(torch.randn(601, 40))

    def forward(step: StepContext) -> Tensor:
        x = step.ops.embed(step.ids, table, torch.float32)
        return step.ops.softcap(step.ops.head(step.ops.rows(x, step.rows), weight, None), 3.0)

    step = Sequences([(0, 9)]).context(reference_table(), torch.arange(9), torch.tensor([8, 0, 3]))
    actual, expected = run_both(forward, step, [])
    assert nmse(actual, expected) <= 1e-6
