"""Whole models: what is compiled gives the reference's logits, and what is not compiled still runs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from mistralrs.checkpoint import ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.loading.inspect import inspect
from mistralrs.loading.model import build_model
from mistralrs.ops import LayerCache, Program
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs.testing.paged import PagedModel
from mistralrs.weights import DictSource
from mistralrs_plugins.kernels.cpu.program.step import CompiledStep
from tests.architectures.cases import CASES, SIZES, Case, state_of
from tests.kernels.probes import Sequences, compiled_table

pytestmark = pytest.mark.usefixtures("step_kernels")

COMPILED = {
    f"{family}ForCausalLM" for family in ("Gemma", "Gemma2", "Gemma3", "Llama", "Mistral", "Phi3", "Qwen2", "Qwen3")
}
"""Families whose steps have to be compiled as a whole. The others' are where their operations allow it."""


def both_models(case: Case) -> tuple[PagedModel, PagedModel]:
    """A tiny random model on the reference, and on the compiled kernels."""
    config = getattr(transformers, case.config)(**{**SIZES, **case.extra})
    torch.manual_seed(7)
    made = getattr(transformers, case.key)._from_config(config, attn_implementation="eager").eval()
    spec = PluginHost(Policy()).resolve("architecture", case.key)
    fields = {**config.to_dict(), "architectures": [case.key]}
    reference, fast = (PagedModel(spec, fields, DictSource(state_of(made))) for _ in range(2))
    fast.table = compiled_table()
    fast.module = Program(fast.module)
    return reference, fast


# Text sides of larger models have their tensors elsewhere.
TEXT_MODELS = [case for case in CASES if not case.key.endswith("ForConditionalGeneration")]


@pytest.mark.parametrize("case", TEXT_MODELS, ids=lambda case: case.id)
def test_tiny_architectures(case: Case, caplog: pytest.LogCaptureFixture) -> None:
    reference, fast = both_models(case)
    generator = torch.Generator().manual_seed(3)

    def tokens(count: int) -> list[int]:
        return torch.randint(0, SIZES["vocab_size"], (count,), generator=generator).tolist()

    steps = [
        {"a": tokens(5), "b": tokens(1)},
        {"b": tokens(7), "c": tokens(2), "a": tokens(1)},
        {"c": tokens(1), "a": tokens(1), "b": tokens(1)},
        {"a": tokens(11), "c": tokens(8)},
        {"a": tokens(1)},
    ]
    with caplog.at_level(logging.INFO):
        for step in steps:
            expected, actual = reference.step(step), fast.step(step)
            for name in step:
                torch.testing.assert_close(actual[name], expected[name], rtol=0, atol=2e-4)
    compiled = isinstance(fast.module._run, CompiledStep)
    assert compiled or "run operation by operation" in caplog.text or "through its layers" in caplog.text
    assert compiled or case.key not in COMPILED, caplog.text


class Real:
    """The real test model on one set of kernels."""

    def __init__(self, file: Path, backends: tuple[str, ...], kv: torch.dtype) -> None:
        host = PluginHost(Policy())
        files = ModelFiles(id="smollm2", source="file", root=file.parent, weights=(file,))
        built = build_model(host, inspect(host, files, ModelSelection()))
        built.ops.table.backends = tuple(b for b in built.ops.table.backends if b.name in backends)
        self.ops, self.program = built.ops, Program(built.module)
        self.kv, self.specs = kv, built.caches

    def logits(self, ids: list[int], chunks: list[int]) -> torch.Tensor:
        """Logits of every token of ``ids``, fed in ``chunks``."""
        whole = Sequences([(0, len(ids))], 32)
        caches = []
        for spec in self.specs:
            shape = (whole.pool_blocks, 32, spec.kv_heads, spec.head_dim)
            caches.append(LayerCache(*(torch.full(shape, float("nan"), dtype=self.kv) for _ in range(2))))
        parts, past = [], 0
        program = Program(self.program.module)
        for count in chunks:
            step = _SamePool([(past, count)], 32, caches, whole.pool_blocks).context(
                self.ops.table, torch.tensor(ids[past : past + count])
            )
            with torch.inference_mode():
                parts.append(program(step))
            past += count
        return torch.cat(parts)


class _SamePool(Sequences):
    """A step of a sequence whose blocks come from a pool of a given size."""

    def __init__(self, lengths: Any, block_size: int, caches: list[LayerCache], blocks: int) -> None:
        super().__init__(lengths, block_size, caches)
        self._blocks = blocks

    @property
    def pool_blocks(self) -> int:
        return self._blocks


def test_smollm2_logits(smollm2_gguf: Path) -> None:
    ids = torch.randint(100, 40000, (90,), generator=torch.Generator().manual_seed(1)).tolist()
    chunks = [3, 60, 1, 1, 1, 24]
    expected = Real(smollm2_gguf, ("torch",), torch.float32).logits(ids, [90])
    fast = Real(smollm2_gguf, ("cpu", "torch"), torch.float16)
    actual = fast.logits(ids, chunks)
    error = (actual - expected).square().sum() / expected.square().sum()
    assert error < 2e-3
    log_p, log_q = expected.log_softmax(-1), actual.log_softmax(-1)
    assert float((log_p.exp() * (log_p - log_q)).sum(-1).mean()) < 0.03  # random tokens: far flatter than text
