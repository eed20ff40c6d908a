"""Models of quantized layouts give the reference's logits, and a request's do not depend on its neighbours."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mistralrs.layouts import LAYOUTS
from mistralrs.ops import Program, Weight
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.testing.paged import PagedModel
from mistralrs.testing.tiny import random_tensors
from mistralrs.weights import DictSource
from mistralrs_plugins.kernels.cpu.program.step import CompiledStep
from tests.kernels.probes import compiled_table, random_weight

pytestmark = pytest.mark.usefixtures("product_kernels")

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 160,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "tie_word_embeddings": True,
}


class BlockSource(DictSource):
    """Matrices of random blocks in a layout; vectors as they are."""

    def __init__(self, layout: str, tensors: dict[str, torch.Tensor]) -> None:
        super().__init__(tensors)
        self.layout = layout

    def get(self, name: str, shape: tuple[int, ...]) -> Weight:
        if len(shape) == 1 or shape[-1] % LAYOUTS[self.layout].block:
            return super().get(name, shape)
        return random_weight(self.layout, *shape, seed=len(name))


def models(layout: str) -> tuple[PagedModel, PagedModel]:
    """The same random blocks on the reference and on the compiled kernels."""
    spec = PluginHost(Policy()).resolve("architecture", "LlamaForCausalLM")
    tensors = random_tensors(spec, CONFIG)
    reference = PagedModel(spec, CONFIG, BlockSource(layout, tensors))
    fast = PagedModel(spec, CONFIG, BlockSource(layout, tensors), backends=compiled_table().backends)
    fast.module = Program(fast.module)
    fast.step({"warm": [1]})
    fast.forget("warm")
    assert isinstance(fast.module._run, CompiledStep)
    return reference, fast


def tokens(count: int) -> list[int]:
    return torch.randint(0, CONFIG["vocab_size"], (count,), generator=torch.Generator().manual_seed(count)).tolist()


def relative(actual: torch.Tensor, expected: torch.Tensor) -> float:
    return float((actual - expected).square().sum() / expected.square().sum())


def test_prompts_and_single_tokens_are_the_reference_s() -> None:
    for layout in ("q4_1", "q8_0", "q5_0"):
        reference, fast = models(layout)
        for step in (tokens(29), [5], tokens(2), [6]):
            error = relative(fast.step({"a": step})["a"], reference.step({"a": step})["a"])
            assert error < 1e-6, (layout, step)


def test_neighbours_change_nothing() -> None:
    def answer(steps: list[dict[str, Any]]) -> torch.Tensor:
        _, fast = models("q8_0")
        return torch.cat([fast.step(step)["a"] for step in steps])

    alone = answer([{"a": tokens(12)}, {"a": [5]}, {"a": [6]}])
    beside_prompts = answer([{"a": tokens(12)}, {"a": [5], "b": tokens(9)}, {"a": [6], "b": [1], "c": tokens(17)}])
    assert torch.equal(beside_prompts, alone)
