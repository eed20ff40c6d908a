"""The engine for asyncio: prompts are made on threads, answers arrive as batches of whatever is new."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from mistralrs.api.embedding import Embeddings, EmbedText
from mistralrs.api.engine import EngineLoop, ServedModel
from mistralrs.api.generation import AnswerOutput, Generation, raise_error
from mistralrs.api.pairs import question
from mistralrs.api.requests import ChatRequest, SamplingOptions
from mistralrs.api.sampling import model_defaults, resolve
from mistralrs.checkpoint import Progress, no_progress
from mistralrs.engine.output import TokenDecoder
from mistralrs.engine.request import (
    Embed,
    EngineOutput,
    Finished,
    FinishReason,
    Generate,
    SamplingParams,
    TokenLogprob,
    Tokens,
    Usage,
)
from mistralrs.errors import RequestError
from mistralrs.plugin import RequestRecord

if TYPE_CHECKING:
    from mistralrs.config.model import ModelSelection
    from mistralrs.config.paged import PagedAttentionConfig
    from mistralrs.loading.estimate import MemoryEstimate
    from mistralrs.plugin.host import PluginHost

__all__ = [
    "AnswerOutput",
    "AsyncEngine",
    "FinishReason",
    "Finished",
    "Generation",
    "SamplingParams",
    "TextSide",
    "TokenLogprob",
    "Tokens",
    "Usage",
    "raise_error",
]

log = logging.getLogger(__name__)
ResultT = TypeVar("ResultT")

TASKS = {"generate": "write text", "embed": "embed texts", "score": "score pairs of texts"}

TEXT_THREADS = 4
MAX_UNTOLD = 1024
"""Ends of answers that observers were not told yet; those who are slower than that are not told of all."""
MAX_TEXT_TO_TOKENS = 4
"""A normalizer may shrink a text; nothing known shrinks it by more than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSide:
    """A model without its weights: what a process needs that only reads and writes text. ``eos_ids`` end answers.

    ``memory`` is what its engine will take; None where nobody has looked. ``task`` is what it does: ``generate``,
    ``embed`` or ``score``; with ``answers`` it scores a pair of texts by what it would answer about it.
    """

    model: ServedModel
    eos_ids: frozenset[int]
    memory: MemoryEstimate | None = None
    task: str = "generate"
    answers: bool = False

    @classmethod
    def open(
        cls,
        host: PluginHost,
        selection: ModelSelection,
        progress: Progress = no_progress,
        paged: PagedAttentionConfig | None = None,
    ) -> TextSide:
        """Locate and inspect a model, without importing torch. ``paged`` is what its engine will be sized by.

        Raises a :class:`~mistralrs.errors.MistralrsError` that says what is wrong with the reference or file.
        """
        from mistralrs.api.prepare import read_text_side
        from mistralrs.loading.estimate import estimate
        from mistralrs.loading.inspect import inspect
        from mistralrs.loading.locate import locate
        from mistralrs.loading.presets import with_presets
        from mistralrs.loading.special import eos_ids

        selection = with_presets(host.policy, selection)
        prepared = read_text_side(host, selection, inspect(host, locate(host, selection, progress), selection))
        inspected, tokenizer = prepared.inspected, prepared.tokenizer
        tokens = tokenizer.get_vocab_size(with_added_tokens=True)
        model = ServedModel(
            id=inspected.files.id,
            tokenizer=tokenizer,
            template=prepared.template,
            context_length=inspected.context_length,
            vocab_size=min(tokens, getattr(inspected.config, "vocab_size", tokens)),
            generation=inspected.generation,
        )
        memory = None if paged is None else estimate(inspected, paged)
        return cls(
            model=model,
            eos_ids=eos_ids(inspected, tokenizer),
            memory=memory,
            task=inspected.task,
            answers=inspected.answers,
        )


class AsyncEngine:
    """One model for asyncio. ``loop`` must deliver on the event loop's thread: see :class:`EngineProcess`.

    ``notify(event, **facts)`` tells observers, on a thread of its own.
    """

    def __init__(
        self, text: TextSide, loop: EngineLoop, notify: Callable[..., None] = lambda event, **facts: None
    ) -> None:
        self.model = text.model
        self.eos_ids = text.eos_ids
        self.task, self._answers = text.task, text.answers
        self._loop = loop
        self._notify = notify
        self._ids = itertools.count()
        self._defaults = model_defaults(self.model.generation, self.model.vocab_size)
        self._decoder = TokenDecoder(self.model.tokenizer)
        self._threads = ThreadPoolExecutor(TEXT_THREADS, thread_name_prefix="text")
        self._observer = ThreadPoolExecutor(1, thread_name_prefix="observers")
        self._untold = threading.BoundedSemaphore(MAX_UNTOLD)
        self._longest_token = max((len(token) for token in self.model.tokenizer.get_vocab()), default=1)

    def sampling(self, options: SamplingOptions) -> SamplingParams:
        """The sampling a request gets. Raises :class:`RequestError` naming the first value out of range."""
        return resolve(options, self._defaults, {}, self.model.vocab_size)

    async def render(self, request: ChatRequest, *, add_generation_prompt: bool = True) -> str:
        """The prompt of a conversation as text. Raises :class:`RequestError` when the template refuses it."""
        messages = [message.for_template() for message in request.messages]
        return await self.on_thread(
            lambda: self.model.template.render(
                messages, add_generation_prompt=add_generation_prompt, tools=request.tools, **request.inputs()
            )
        )

    async def encode(self, text: str, *, add_special_tokens: bool, truncate: bool = False) -> tuple[int, ...]:
        """The token ids of ``text``. Raises :class:`RequestError` at once for one that cannot fit the context.

        With ``truncate`` only the end of such a text is read.
        """
        if truncate:
            text = text[-self.longest_text :]
        self._check_length(text)
        return await self.on_thread(lambda: self._encode(text, add_special_tokens))

    @property
    def longest_text(self) -> int:
        """Characters beyond which no text can fit the context."""
        return self.model.context_length * self._longest_token * MAX_TEXT_TO_TOKENS

    def _check_length(self, text: str) -> None:
        if len(text) > self.longest_text:
            raise RequestError(
                f"the prompt has {len(text)} characters, which cannot fit into the context of "
                f"{self.model.context_length} tokens",
                "shorten the prompt or allow it to be truncated",
                param="prompt",
                code="context_length_exceeded",
            )

    def _encode(self, text: str, add_special_tokens: bool) -> tuple[int, ...]:
        return tuple(self.model.tokenizer.encode(text, add_special_tokens=add_special_tokens).ids)

    async def chat_prompt(self, request: ChatRequest) -> tuple[int, ...]:
        """The token ids of a conversation. The template has written the special tokens already."""
        text = await self.render(request)
        return await self.encode(text, add_special_tokens=False, truncate=request.truncate)

    async def text_prompt(self, prompt: str | tuple[int, ...], *, truncate: bool = False) -> tuple[int, ...]:
        """The token ids of a text to go on with; ids stay what they are."""
        if isinstance(prompt, tuple):
            return prompt
        return await self.encode(prompt, add_special_tokens=True, truncate=truncate)

    async def prompt_text(self, prompt: str | tuple[int, ...]) -> str:
        """The text of a prompt that may be token ids."""
        return prompt if isinstance(prompt, str) else await self.decode(prompt)

    async def decode(self, tokens: Sequence[int]) -> str:
        """The text of token ids, special tokens included."""
        return await self.on_thread(lambda: self.model.tokenizer.decode(list(tokens), skip_special_tokens=False))

    async def on_thread(self, work: Callable[[], ResultT]) -> ResultT:
        """Run what takes long beside the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def token_bytes(self, token: int) -> bytes:
        """The bytes one token stands for; half a character is possible."""
        return self._decoder.token_bytes(token)

    def generate(
        self,
        prompts: Sequence[tuple[int, ...]],
        sampling: SamplingParams,
        *,
        n: int = 1,
        truncate: bool = False,
        cache_salt: str = "",
        observe: Callable[[AnswerOutput], None] = lambda output: None,
    ) -> Generation:
        """Start ``n`` answers to each prompt. ``observe`` sees all output as it comes.

        Answers to one prompt differ: each has the seed of the one before it plus one. Prompts share what was computed
        of earlier ones only with those of the same ``cache_salt``.
        """
        generation = Generation(prompts, n * len(prompts))
        ids = list(itertools.islice(self._ids, generation.count))
        generation.start(ids, self._loop.submit)
        for index, request_id in enumerate(ids):
            copy = index % n
            chosen = sampling if sampling.seed is None else replace(sampling, seed=(sampling.seed + copy) % 2**64)
            message = Generate(
                id=request_id, prompt=prompts[index // n], sampling=chosen, truncate=truncate, cache_salt=cache_salt
            )
            self._loop.submit(message, self._receiver(generation, index, observe))
        return generation

    def need(self, task: str) -> None:
        """Raise :class:`RequestError` ``not_supported`` if the model does something else than ``task``."""
        if task != self.task:
            message = f"the model {self.model.id} does not {TASKS[task]}: it can {TASKS[self.task]}"
            raise RequestError(message, param="model", code="not_supported")

    async def encode_pair(self, first: str, second: str, *, truncate: bool = False) -> EmbedText:
        """The token ids of two texts that are read together. Raises :class:`RequestError` for far too long ones."""
        self._check_length(first + second)

        def encode() -> EmbedText:
            if self._answers:
                limit, template = self.model.context_length, self.model.template
                return EmbedText(question(self.model.tokenizer, template, (first, second), limit, truncate=truncate))
            found = self.model.tokenizer.encode(first, second, add_special_tokens=True)
            start = next((index for index, part in enumerate(found.sequence_ids) if part == 1), None)
            return EmbedText(tuple(found.ids), start)

        return await self.on_thread(encode)

    def embed(self, texts: Sequence[EmbedText], *, truncate: bool = False) -> Embeddings:
        """Start turning texts into vectors, or pairs of them into scores; with ``truncate`` as much of each as fits."""
        embeddings = Embeddings(texts)
        ids = list(itertools.islice(self._ids, len(texts)))
        embeddings.start(ids, self._loop.submit)
        for index, (request_id, text) in enumerate(zip(ids, texts, strict=True)):
            message = Embed(id=request_id, prompt=text.ids, second=text.second, truncate=truncate)
            self._loop.submit(message, functools.partial(embeddings.take, index))
        return embeddings

    def _receiver(
        self, generation: Generation, index: int, observe: Callable[[AnswerOutput], None]
    ) -> Callable[[EngineOutput], None]:
        def receive(output: EngineOutput) -> None:
            if not isinstance(output, AnswerOutput):
                return
            generation.take(index, output)
            observe(output)
            if isinstance(output, Finished):
                record = RequestRecord(
                    id=output.id, model=self.model.id, reason=output.reason.value, **asdict(output.usage)
                )
                self._tell(record)

        return receive

    def _tell(self, record: RequestRecord) -> None:
        if not self._untold.acquire(blocking=False):
            log.warning("the observers of requests are too slow: request %d is not told to them", record.id)
            return
        told = self._observer.submit(self._notify, "mistralrs_request_finished", record=record)
        told.add_done_callback(lambda _: self._untold.release())

    def close(self) -> None:
        """Wait for the observers, then end the threads. The engine's process is closed by its owner."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._observer.shutdown(wait=True)
