"""The engine of models that turn texts into numbers: each request is computed in one step, then forgotten.

It is driven as :class:`mistralrs.engine.engine.Engine` is and keeps the same promises: what fails for one request
ends that request only, and each accepted one gets exactly one Finished.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mistralrs import faults
from mistralrs.engine.admission import check_room, check_vocabulary, token_array
from mistralrs.engine.batch import Batch
from mistralrs.engine.config import EngineConfig
from mistralrs.engine.pooling import Pooler
from mistralrs.engine.request import Embed, Embedded, EngineOutput, Finished, FinishReason, Request, Usage
from mistralrs.engine.runner import ModelRunner
from mistralrs.engine.sampling import NumericalError
from mistralrs.engine.stats import EngineStats, RateMeter
from mistralrs.engine.vector import Ints
from mistralrs.errors import EngineError, MistralrsError, RequestError
from mistralrs.ops.meta import AttentionMeta

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Text:
    """A request that waits."""

    id: int
    ids: Ints
    second: int
    arrived_at: float
    started_at: float | None = None


class EmbeddingEngine:
    """Batches texts under the token budget of a step. Not thread-safe, as the other engine.

    The cache is scratch memory for one step: every text begins in blocks of its own.
    """

    def __init__(self, runner: ModelRunner, config: EngineConfig, pooler: Pooler) -> None:
        self.config = config
        self.runner = runner
        self.pooler = pooler
        self._waiting: OrderedDict[int, _Text] = OrderedDict()
        self._outbox: list[EngineOutput] = []
        self._rate = RateMeter()
        self._steps = self._tokens = 0
        runner.allocate(config.num_blocks, config.block_size)

    @staticmethod
    def blocks_needed(config: EngineConfig) -> int:
        """Blocks for the largest step; each text may leave one half empty."""
        return config.blocks_for(max(config.max_batched_tokens, config.context_length)) + config.max_seqs

    @property
    def has_work(self) -> bool:
        """Whether :meth:`step` has something to do or to say."""
        return bool(self._waiting or self._outbox)

    def add(self, request: Request) -> None:
        """Accept a request. Raises :class:`RequestError` if it cannot be served; then there is no Finished for it."""
        if not isinstance(request, Embed):
            raise RequestError(
                "this model makes embeddings or scores, it does not generate text",
                "load a model that generates",
                param="model",
                code="not_supported",
            )
        check_room(self.config, request.id, self._waiting, len(self._waiting))
        ids = self._checked(request)
        second = len(ids) if request.second is None else request.second
        self._waiting[request.id] = _Text(request.id, ids, second, time.perf_counter())

    def abort(self, request_id: int) -> None:
        """End a request that waits. An unknown id is one that has ended already."""
        text = self._waiting.pop(request_id, None)
        if text is not None:
            self._finish(text, FinishReason.ABORT)

    def end_all(self, error: EngineError | None = None) -> list[EngineOutput]:
        """End every request, with ``error`` or as canceled. Returns what is left to deliver."""
        reason = FinishReason.ABORT if error is None else FinishReason.ERROR
        while self._waiting:
            self._finish(self._waiting.popitem(last=False)[1], reason, error)
        return self._take_outputs()

    @torch.inference_mode()
    def step(self) -> list[EngineOutput]:
        """Compute as many texts as fit into a step. Returns all output since the last call."""
        texts = self._next_texts()
        if texts:
            self._steps += 1
            for text in texts:
                text.started_at = time.perf_counter()
            self._compute(texts)
        return self._take_outputs()

    def check_idle(self) -> None:
        """Nothing outlives a step here."""

    def stats(self) -> EngineStats:
        """The engine's counters now."""
        return EngineStats(
            running=0,
            waiting=len(self._waiting),
            free_blocks=self.config.num_blocks,
            cached_blocks=0,
            total_blocks=self.config.num_blocks,
            steps=self._steps,
            preemptions=0,
            evictions=0,
            prompt_tokens=self._tokens,
            prefix_hit_tokens=0,
            generated_tokens=0,
            tokens_per_second=self._rate.rate(),
        )

    def _checked(self, request: Embed) -> Ints:
        limit, ids = self.config.context_length, token_array(request.prompt)
        if ids is None or not len(ids):
            raise RequestError("the input must be a list of at least one token id", param="input")
        check_vocabulary(ids, self.config.vocab_size, "input")
        if len(ids) > limit and not request.truncate:
            raise RequestError(
                f"the input has {len(ids)} tokens, the model reads at most {limit}",
                "shorten the input or allow it to be truncated",
                param="input",
                code="context_length_exceeded",
            )
        if request.second is not None and not 0 <= request.second <= len(ids):
            raise RequestError("the second text begins outside the input", param="input")
        return ids[:limit]

    def _next_texts(self) -> list[_Text]:
        texts: list[_Text] = []
        budget = self.config.max_batched_tokens
        while self._waiting and len(texts) < self.config.max_seqs:
            first = next(iter(self._waiting.values()))
            if texts and len(first.ids) > budget:
                break
            budget -= len(first.ids)
            texts.append(self._waiting.pop(first.id))
        return texts

    def _compute(self, texts: Sequence[_Text]) -> None:
        try:
            vectors = self._run(texts)
        except Exception:
            log.exception("a step of %d texts failed; trying each of them alone", len(texts))
            for text in texts:
                self._compute_alone(text)
            return
        for text, vector in zip(texts, vectors, strict=True):
            self._deliver(text, vector)

    def _compute_alone(self, text: _Text) -> None:
        try:
            (vector,) = self._run([text])
        except Exception as error:
            self._fail(text, error)
        else:
            self._deliver(text, vector)

    def _deliver(self, text: _Text, vector: Tensor) -> None:
        if not bool(torch.isfinite(vector).all()):
            self._fail(text, NumericalError())
            return
        self._outbox.append(Embedded(id=text.id, values=vector.cpu().numpy()))
        self._finish(text, FinishReason.STOP)
        self._tokens += len(text.ids)
        self._rate.add(len(text.ids))

    def _run(self, texts: Sequence[_Text]) -> list[Tensor]:
        faults.point("step.forward")
        batch, wanted = self._batch(texts)
        hidden = self.runner.forward(batch)
        return [self.pooler.vector(part) for part in hidden.split(wanted)]

    def _batch(self, texts: Sequence[_Text]) -> tuple[Batch, list[int]]:
        """The step of ``texts``, and how many rows each of them has in its output."""
        size, device = self.config.block_size, self.runner.device
        counts = [len(text.ids) for text in texts]
        blocks = [-(-count // size) for count in counts]
        first_block = np.cumsum([0, *blocks])
        starts = np.cumsum([0, *counts])
        rows = [self.pooler.rows(count) for count in counts]
        table = np.zeros((len(texts), max(blocks)), dtype=np.int64)
        for row, count in enumerate(blocks):
            table[row, :count] = np.arange(first_block[row], first_block[row + 1])

        def joined(parts: Sequence[Ints]) -> Tensor:
            return torch.from_numpy(np.concatenate(parts)).to(device)

        where = [np.arange(count, dtype=np.int64) for count in counts]
        meta = AttentionMeta(
            query_start=torch.from_numpy(starts).to(device),
            context=torch.tensor(counts, device=device),
            slots=joined([place + first_block[row] * size for row, place in enumerate(where)]),
            blocks=torch.from_numpy(table).to(device),
            queries=counts,
            contexts=counts,
            limits=joined([np.full(count, count, dtype=np.int64) for count in counts]),
            types=joined([(place >= text.second).astype(np.int64) for text, place in zip(texts, where, strict=True)]),
        )
        picked = [np.arange(part.start, part.stop, dtype=np.int64) + starts[row] for row, part in enumerate(rows)]
        batch = Batch(ids=joined([text.ids for text in texts]), positions=joined(where), rows=joined(picked), meta=meta)
        return batch, [len(part) for part in rows]

    def _fail(self, text: _Text, error: Exception) -> None:
        if not isinstance(error, MistralrsError):
            log.error("request %d: the model failed", text.id, exc_info=error)
            error = EngineError("the model failed", "the engine's log has the details")
        self._finish(text, FinishReason.ERROR, error)

    def _finish(self, text: _Text, reason: FinishReason, error: MistralrsError | None = None) -> None:
        now = time.perf_counter()
        started = now if text.started_at is None else text.started_at
        usage = Usage(
            prompt_tokens=len(text.ids),
            cached_tokens=0,
            completion_tokens=0,
            queue_seconds=started - text.arrived_at,
            prompt_seconds=now - started,
            completion_seconds=0.0,
        )
        self._outbox.append(Finished(id=text.id, reason=reason, usage=usage, error=error))

    def _take_outputs(self) -> list[EngineOutput]:
        outputs, self._outbox = self._outbox, []
        return outputs
