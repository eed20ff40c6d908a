"""Only kernels that a model's own step calls are compiled, and whoever waits is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch

from mistralrs.ops import OpTable, Program, StepContext
from mistralrs_plugins.kernels.cpu.backend import CpuBackend
from mistralrs_plugins.kernels.cpu.jit import parallel
from mistralrs_plugins.kernels.cpu.jit.code import is_kept
from mistralrs_plugins.kernels.torch.backend import TorchBackend
from tests.kernels.probes import Sequences, random_weight


class Model(torch.nn.Module):
    """A product, an activation, and logits if it ``answers``. Its norm has no compiled form."""

    def __init__(self, table: OpTable, layout: str, *, answers: bool) -> None:
        super().__init__()
        self.words = random_weight("f32", 50, 64)
        self.inner, self.out = (table.prepare(random_weight(layout, rows, 64)) for rows in (64, 50))
        self.answers = answers

    def forward(self, step: StepContext) -> torch.Tensor:
        x = step.ops.linear(step.ops.embed(step.ids, self.words, torch.float32), self.inner)
        x = step.ops.gated(x, x, "gelu_pytorch_tanh") if self.answers else step.ops.match_rms(x, x)
        return step.ops.head(step.ops.rows(x, step.rows), self.out) if self.answers else x


def loaded(
    monkeypatch: pytest.MonkeyPatch, layout: str, *, answers: bool
) -> tuple[set[str], set[str], list[tuple[Any, ...]]]:
    """Kernels that a model had loaded until after its first step, had compiled for later, and what was told."""
    names: set[str] = set()
    kept: set[str] = set()
    told: list[tuple[Any, ...]] = []
    prepare = parallel.prepare

    def noted(wanted: Iterable[str], told: Any = lambda done: None, later: Iterable[str] = ()) -> None:
        wanted = list(wanted)
        names.update(wanted)
        prepare(wanted, told, later)
        kept.update(later)

    monkeypatch.setattr(parallel, "prepare", noted)
    table = OpTable([CpuBackend(), TorchBackend()])
    program = Program(Model(table, layout, answers=answers))
    table.warm_up(lambda *report: told.append(report))
    with torch.inference_mode():
        program(Sequences([(0, 2)]).context(table, torch.tensor([1, 2])))
    assert all(map(is_kept, kept))
    return names, kept, told


@pytest.mark.parametrize("layout", ["q8_0", "mxfp4"])
def test_an_encoder_needs_neither_attention_over_a_cache_nor_the_choice_of_tokens(
    monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    names, kept, _ = loaded(monkeypatch, layout, answers=False)
    assert not kept
    assert {name for name in names if "make_product" in name} == {f"product:make_product:{layout}"}
    assert {name.partition(":")[0] for name in names} == {"executor", "packed", "activations", "product"}


def test_a_decoder_gets_what_its_recording_calls_and_the_choice_of_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    names, kept, told = loaded(monkeypatch, "q8_0", answers=True)
    assert kept == {"changes:adjust", "changes:undo", "likely:tell"}  # for the first request with a penalty
    assert {"draws:draw", "cuts:plan", "elementwise:make_gated:gelu_pytorch_tanh"} <= names
    assert not any("silu" in name or name.startswith("attention") for name in names)
    assert len({total for _, _, total, _ in told}) == 2  # once for the weights, once for the recording
    assert all(label == "Compiling CPU kernels" for label, *_ in told)
