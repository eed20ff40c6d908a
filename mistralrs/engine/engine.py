"""The synchronous core: requests go in, each call of :meth:`Engine.step` advances all of them by one step.

What can go wrong for one request is caught where it happens and ends that request only. Every accepted request gets
exactly one :class:`Finished`, however it ends, and its blocks go back to the pool at that moment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence as Items

import torch
from tokenizers import Tokenizer
from torch import Tensor

from mistralrs import faults
from mistralrs.engine import sampling
from mistralrs.engine.admission import Admission, check_room
from mistralrs.engine.batch import BatchBuilder
from mistralrs.engine.config import EngineConfig
from mistralrs.engine.drawing import StepOutputs
from mistralrs.engine.request import EngineOutput, Finished, FinishReason, Generate, Request, Tokens, Usage
from mistralrs.engine.runner import ModelRunner
from mistralrs.engine.sampling import NumericalError, Outcome, Sampled
from mistralrs.engine.scheduler import Chunk, Scheduler
from mistralrs.engine.sequence import Sequence
from mistralrs.engine.stats import EngineStats, RateMeter
from mistralrs.errors import EngineError, MistralrsError, RequestError, UsageError
from mistralrs.ops.step import StepOutput

log = logging.getLogger(__name__)


class Engine:
    """Continuous batching over one model. Not thread-safe: see :class:`mistralrs.engine.thread.EngineThread`."""

    def __init__(self, runner: ModelRunner, tokenizer: Tokenizer | None, config: EngineConfig) -> None:
        if config.vocab_size > runner.vocab_size:
            sizes = f"{config.vocab_size} token ids are allowed, the model has logits for {runner.vocab_size}"
            raise UsageError(f"vocab_size: {sizes}")
        self.config = config
        self.runner = runner
        self.scheduler = Scheduler(config)
        runner.allocate(config.num_blocks, config.block_size, config.num_states)
        self._admission = Admission(config, tokenizer, runner.cache_class)
        self._batches = BatchBuilder(config, runner.device)
        self._outputs = StepOutputs(runner.vocab_size)
        self._sequences: dict[int, Sequence] = {}
        self._outbox: list[EngineOutput] = []
        self._rate = RateMeter()
        self._steps = self._prompt_tokens = self._prefix_hit_tokens = self._generated_tokens = 0

    @property
    def has_work(self) -> bool:
        """Whether :meth:`step` has something to do or to say."""
        return self.scheduler.has_work or bool(self._outbox)

    def add(self, request: Request) -> None:
        """Accept a request. Raises :class:`RequestError` if it cannot be served; then there is no Finished for it."""
        if not isinstance(request, Generate):
            raise RequestError(
                "this model generates text, it makes no embeddings or scores",
                "load a model that embeds",
                param="model",
                code="not_supported",
            )
        check_room(self.config, request.id, self._sequences, len(self.scheduler.waiting))
        sequence = self._admission.accept(request)
        self._sequences[sequence.id] = sequence
        self.scheduler.add(sequence)

    def abort(self, request_id: int) -> None:
        """End a request wherever it is. An unknown id is one that has ended already."""
        sequence = self._sequences.get(request_id)
        if sequence is not None:
            self._end(sequence, FinishReason.ABORT)

    def end_all(self, error: EngineError | None = None) -> list[EngineOutput]:
        """End every request, with ``error`` or as canceled, and forget the cache. Returns what is left to deliver."""
        reason = FinishReason.ABORT if error is None else FinishReason.ERROR
        self.scheduler.reset()
        for sequence in list(self._sequences.values()):
            self._end(sequence, reason, error=error)
        return self._take_outputs()

    def step(self) -> list[EngineOutput]:
        """Advance every sequence that the budget and the cache allow. Returns all output since the last call.

        An exception from here is no single request's fault; then only :meth:`end_all` leads on.
        """
        if torch.is_inference_mode_enabled():  # by a thread that does nothing else, once for all its steps
            return self._step()
        with torch.inference_mode():
            return self._step()

    def _step(self) -> list[EngineOutput]:
        plan = self.scheduler.schedule()
        for sequence in plan.exhausted:
            self._end_exhausted(sequence)
        if plan.chunks:
            self._steps += 1
            out = self._outputs.of([chunk.sequence for chunk in plan.chunks if chunk.samples])
            computed, logits = self._forward(plan.chunks, out)
            for chunk in computed:
                self.scheduler.commit(chunk)
            sampled = [chunk.sequence for chunk in computed if chunk.sequence.pending == 0]
            if sampled:
                self._advance(sampled, logits)
        return self._take_outputs()

    def check_idle(self) -> None:
        """With no request in the engine, all blocks and states must be free or cached. Raises :class:`EngineError`."""
        pool = self.scheduler.pool
        if not self._sequences and pool.available != pool.size:
            raise EngineError(f"{pool.used} of {pool.size} cache blocks are held by no request")
        states = self.scheduler.states.pool
        if not self._sequences and states.used:
            raise EngineError(f"{states.used} of {states.size} states are held by no request")

    def stats(self) -> EngineStats:
        """The engine's counters now."""
        pool = self.scheduler.pool
        return EngineStats(
            running=len(self.scheduler.running),
            waiting=len(self.scheduler.waiting),
            free_blocks=pool.free,
            cached_blocks=pool.cached,
            total_blocks=pool.size,
            steps=self._steps,
            preemptions=self.scheduler.preemptions,
            evictions=pool.evictions,
            prompt_tokens=self._prompt_tokens,
            prefix_hit_tokens=self._prefix_hit_tokens,
            generated_tokens=self._generated_tokens,
            tokens_per_second=self._rate.rate(),
        )

    def _forward(self, chunks: Items[Chunk], out: StepOutput) -> tuple[Items[Chunk], Tensor]:
        """Run the model. Returns the chunks that were computed and the logits of those among them that sample."""
        try:
            return chunks, self._run(chunks, out)
        except Exception:
            log.exception("a step of %d sequences failed; trying each of them alone", len(chunks))
            out.drawn = False
        computed: list[Chunk] = []
        logits: list[Tensor] = []
        for chunk in chunks:
            try:
                logits.append(self._run([chunk]))
                computed.append(chunk)
            except Exception as error:
                self._fail(chunk.sequence, error, "the model failed")
        return computed, torch.cat(logits) if logits else torch.empty(0)

    def _run(self, chunks: Items[Chunk], out: StepOutput | None = None) -> Tensor:
        faults.point("step.forward")
        return self.runner.forward(self._batches.build(chunks), out)

    def _advance(self, sequences: Items[Sequence], logits: Tensor) -> None:
        """Give each sequence its next token."""
        outcomes = self._outputs.drawn()
        for row in range(len(sequences)):
            if faults.flagged("step.logits"):
                logits[row] = torch.nan
                outcomes = None
        if outcomes is None:
            outcomes = sampling.sample(self.runner.ops, logits, sequences)
        for sequence, outcome in zip(sequences, outcomes, strict=True):
            try:
                self._accept(sequence, outcome)
            except Exception as error:
                self._fail(sequence, error, "choosing or reading a token failed")
        self._generated_tokens += len(sequences)
        self._rate.add(len(sequences))

    def _accept(self, sequence: Sequence, outcome: Outcome) -> None:
        """Append a sampled token, and send what it adds to the answer."""
        faults.point("step.sample")
        if isinstance(outcome, Exception):
            raise outcome
        self.scheduler.publish(sequence)  # its logits are finite, so what led to them is sound
        sequence.append(outcome.token)
        if sequence.first_token_at is None:
            self._count_prompt(sequence)
        faults.point("step.detokenize")
        reason = self._end_token(sequence, outcome.token)
        text = sequence.output.push(outcome.token) if reason is None else ""
        if reason is None and sequence.length >= sequence.limit:
            reason = FinishReason.LENGTH
        if reason is not None:
            text += sequence.output.finish()
        if sequence.output.stop is not None:
            reason = FinishReason.STOP
        self._outbox.append(_tokens(sequence, outcome, text))
        if reason is not None:
            self._end(sequence, reason)

    def _end_token(self, sequence: Sequence, token: int) -> FinishReason | None:
        wanted = sequence.sampling
        is_eos = token in self.config.eos_ids and not wanted.ignore_eos
        return FinishReason.STOP if is_eos or token in wanted.stop_token_ids else None

    def _count_prompt(self, sequence: Sequence) -> None:
        sequence.first_token_at = time.perf_counter()
        self._prompt_tokens += sequence.prompt_length
        self._prefix_hit_tokens += sequence.cached_tokens

    def _end_exhausted(self, sequence: Sequence) -> None:
        """The cache has no room for another token of this sequence and nobody else to take it from."""
        try:
            text = sequence.output.finish()
        except Exception as error:
            self._fail(sequence, error, "reading the last tokens failed")
            return
        if text:
            self._outbox.append(Tokens(id=sequence.id, tokens=(), text=text))
        self._end(sequence, FinishReason.LENGTH)

    def _fail(self, sequence: Sequence, error: Exception, what: str) -> None:
        """End one request with its error. Content that led to bad numbers is neither kept nor left behind."""
        if isinstance(error, NumericalError):
            self.runner.wipe(self.scheduler.discard(sequence))
        if not isinstance(error, MistralrsError):
            log.error("request %d: %s", sequence.id, what, exc_info=error)
            error = EngineError(what, "the engine's log has the details")
        self._end(sequence, FinishReason.ERROR, error=error)

    def _end(self, sequence: Sequence, reason: FinishReason, error: MistralrsError | None = None) -> None:
        """The one way out: give everything back, say Finished."""
        del self._sequences[sequence.id]
        if not self._sequences:
            self._outputs.forget()
        self.scheduler.remove(sequence)
        self._outbox.append(
            Finished(
                id=sequence.id,
                reason=reason,
                usage=_usage(sequence),
                stop=sequence.output.stop,
                error=error,
            )
        )

    def _take_outputs(self) -> list[EngineOutput]:
        outputs, self._outbox = self._outbox, []
        return outputs


def _tokens(sequence: Sequence, sampled: Sampled, text: str) -> Tokens:
    if sampled.logprob is None:
        return Tokens(sequence.id, (sampled.token,), text)
    return Tokens(sequence.id, (sampled.token,), text, (sampled.logprob,), (sampled.top,))


def _usage(sequence: Sequence) -> Usage:
    now = time.perf_counter()
    admitted = now if sequence.admitted_at is None else sequence.admitted_at
    first = now if sequence.first_token_at is None else sequence.first_token_at
    return Usage(
        prompt_tokens=sequence.prompt_length,
        cached_tokens=sequence.cached_tokens,
        completion_tokens=sequence.generated,
        queue_seconds=admitted - sequence.arrived_at,
        prompt_seconds=first - admitted,
        completion_seconds=now - first,
    )
