"""A small paged cache around a model: any ragged batch in one step, without an engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mistralrs.ops import AttentionMeta, LayerCache, Ops, OpTable, StepContext
from mistralrs.weights import TensorSource, WeightBuilder
from mistralrs_plugins.kernels.torch.backend import TorchBackend

BLOCK = 4


class PagedModel:
    """Feeds sequences by name; each call to :meth:`step` appends tokens to some of them."""

    def __init__(
        self,
        spec: Any,
        config: dict[str, Any],
        source: TensorSource,
        *,
        dtype: torch.dtype = torch.float32,
        blocks: int = 64,
    ) -> None:
        self.table = OpTable([TorchBackend()])
        self.builder = WeightBuilder(source, dtype=dtype, prepare=self.table.prepare)
        self.config = spec.config.load().model_validate(config)
        self.module = spec.build.load()(self.config, self.builder)
        # NaN everywhere: whatever reads beyond what was written shows.
        self.caches = [
            LayerCache(
                torch.full((blocks, BLOCK, c.kv_heads, c.head_dim), float("nan"), dtype=dtype),
                torch.full((blocks, BLOCK, c.kv_heads, c.head_dim), float("nan"), dtype=dtype),
            )
            for c in self.builder.caches
        ]
        # Blocks are handed out backwards, so that order in the pool differs from order in the sequence.
        self.free = list(range(blocks))
        self.owned: dict[str, list[int]] = {}
        self.length: dict[str, int] = {}
        self.limit: dict[str, int] = {}

    def context(self, tokens: dict[str, Sequence[int]], *, last_only: bool = False) -> StepContext:
        """The step that appends ``tokens``; logits of every row, or of each sequence's last one."""
        queries, contexts, slots, positions, rows, tables, limits = [], [], [], [], [], [], []
        for name, new in tokens.items():
            owned, past = self.owned.setdefault(name, []), self.length.get(name, 0)
            total = past + len(new)
            while len(owned) * BLOCK < total:
                owned.append(self.free.pop())
            places = range(past, total)
            slots += [owned[p // BLOCK] * BLOCK + p % BLOCK for p in places]
            positions += places
            limits += [self.limit.get(name, self.config.max_position_embeddings)] * len(new)
            queries.append(len(new))
            contexts.append(total)
            tables.append(list(owned))
            self.length[name] = total
            rows += [len(positions) - 1] if last_only else range(len(positions) - len(new), len(positions))
        width = max(map(len, tables))
        start = torch.tensor([0, *torch.tensor(queries).cumsum(0).tolist()])
        meta = AttentionMeta(
            query_start=start,
            context=torch.tensor(contexts),
            slots=torch.tensor(slots),
            blocks=torch.tensor([t + [0] * (width - len(t)) for t in tables]),
            queries=queries,
            contexts=contexts,
            limits=torch.tensor(limits),
        )
        ids = torch.tensor([token for new in tokens.values() for token in new])
        return StepContext(
            ops=Ops(self.table),
            ids=ids,
            positions=torch.tensor(positions),
            rows=torch.tensor(rows),
            meta=meta,
            caches=self.caches,
        )

    @torch.inference_mode()
    def step(self, tokens: dict[str, Sequence[int]]) -> dict[str, Tensor]:
        """Append tokens; logits ``[new tokens, vocab]`` of each sequence."""
        logits = self.module(self.context(tokens))
        return dict(zip(tokens, logits.split([len(new) for new in tokens.values()]), strict=True))

    def forget(self, name: str) -> None:
        """Drop a sequence and its blocks, as preemption does."""
        self.free += self.owned.pop(name)
        del self.length[name]
