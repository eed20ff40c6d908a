"""A model's steps without an engine around them: what is timed is the forward pass."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from benchmarks.timing import median_seconds
from mistralrs.checkpoint import ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.loading.inspect import inspect
from mistralrs.loading.model import build_model
from mistralrs.ops import AttentionMeta, LayerCache, PagedSpec, Program, StepContext
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy
from mistralrs_plugins.kernels.cpu.program.step import CompiledStep

BLOCK = 32


class SteppedModel:
    """A model file with a cache of ``tokens`` tokens, in which sequences lie one after another.

    The ``reference`` computes operation by operation, with weights decoded to float32 and such a cache.
    """

    def __init__(self, file: Path, tokens: int, *, cache: torch.dtype = torch.half, reference: bool = False) -> None:
        host = PluginHost(Policy(disabled=frozenset({"kernels/cpu"}) if reference else frozenset()))
        cache = torch.float32 if reference else cache
        files = ModelFiles(id=file.stem, source="file", root=file.parent, weights=(file,))
        built = build_model(host, inspect(host, files, ModelSelection()))
        self._ops, self._program = built.ops, Program(built.module)
        blocks = -(-tokens // BLOCK)
        self._caches = [
            LayerCache(*(torch.zeros(blocks, BLOCK, spec.kv_heads, spec.head_dim, dtype=cache) for _ in "kv"))
            for spec in built.caches
            if isinstance(spec, PagedSpec)
        ]
        with torch.inference_mode():
            for _ in range(2):  # the first step is recorded and compiled, the second allocates
                self._program(self.step(1, 0, 1))

    @property
    def compiled(self) -> CompiledStep:
        """The compiled step. Raises TypeError when the model runs operation by operation."""
        run = self._program._run
        if not isinstance(run, CompiledStep):
            raise TypeError("the model has no compiled step")
        return run

    def step(self, sequences: int, past: int, new: int) -> StepContext:
        """Every sequence appends ``new`` tokens to ``past``; logits of each one's last."""
        each = -(-(past + new) // BLOCK)
        places = torch.arange(past, past + new)
        starts = torch.arange(sequences + 1) * new
        meta = AttentionMeta(
            query_start=starts,
            context=torch.full((sequences,), past + new),
            slots=(torch.arange(sequences)[:, None] * each * BLOCK + places).flatten(),
            blocks=torch.arange(sequences * each).view(sequences, each),
            queries=[new] * sequences,
            contexts=[past + new] * sequences,
        )
        return StepContext(
            ops=self._ops,
            ids=torch.randint(100, 5000, (sequences * new,)),
            positions=places.repeat(sequences),
            rows=starts[1:] - 1,
            meta=meta,
            caches=self._caches,
        )

    @torch.inference_mode()
    def logits(self, ids: Tensor, past: int) -> Tensor:
        """Logits ``[tokens, vocab]`` after each of ``ids``, which are appended to ``past`` tokens of one sequence."""
        step = self.step(1, past, len(ids))
        step.ids, step.rows = ids, torch.arange(len(ids))
        return self._program(step).clone()

    @torch.inference_mode()
    def prefill_seconds(self, tokens: int) -> float:
        """The median time to read a prompt."""
        step = self.step(1, 0, tokens)
        return median_seconds(lambda: self._program(step), rounds=5)

    @torch.inference_mode()
    def decode_seconds(self, sequences: int, depth: int) -> float:
        """The median time of a step in which every sequence appends one token to ``depth``."""
        step = self.step(sequences, depth, 1)
        return median_seconds(lambda: self._program(step), rounds=40)
