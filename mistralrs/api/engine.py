"""An engine in this process: loads one model and continues conversations with it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from mistralrs.api.answer import Answer
from mistralrs.api.log import RequestLog
from mistralrs.api.requests import ChatRequest, SamplingOptions
from mistralrs.api.sampling import model_defaults, resolve
from mistralrs.checkpoint import Progress, no_progress
from mistralrs.engine.request import (
    Abort,
    EngineInput,
    EngineOutput,
    Finished,
    Generate,
    SamplingParams,
    Tokens,
)
from mistralrs.plugin import RequestRecord

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from mistralrs.config.model import ModelSelection
    from mistralrs.config.paged import PagedAttentionConfig
    from mistralrs.config.runtime import RuntimeConfig
    from mistralrs.loading.chat import ChatTemplate
    from mistralrs.plugin.host import PluginHost

__all__ = ["EngineLoop", "EngineOutput", "Finished", "LocalEngine", "SamplingParams", "ServedModel", "Tokens"]

CLOSE_SECONDS = 10.0
NO_DEFAULTS: Mapping[str, Any] = MappingProxyType({})


class EngineLoop(Protocol):
    """What runs requests: :class:`mistralrs.engine.thread.EngineThread`."""

    def submit(self, message: EngineInput, deliver: Callable[[EngineOutput], None] | None = None) -> None:
        """Send a message; ``deliver`` gets everything about a Generate, ending with one Finished."""

    def close(self, timeout: float | None = None) -> bool:
        """End all requests, then the loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """The text side of a loaded model; ``context_length`` is in tokens, ``generation`` is generation_config.json."""

    id: str
    tokenizer: Tokenizer
    template: ChatTemplate
    context_length: int
    vocab_size: int
    generation: Mapping[str, Any] = field(default_factory=dict)


def _nobody(_event: str, **_facts: Any) -> None:
    """Nobody observes."""


class LocalEngine:
    """One model and the thread that runs it. Safe to use from several threads; close it, or use it with ``with``."""

    def __init__(
        self,
        model: ServedModel,
        loop: EngineLoop,
        log: RequestLog | None = None,
        notify: Callable[..., None] | None = None,
    ) -> None:
        """``loop`` runs the requests; ``notify(event, **facts)`` tells observers: :meth:`PluginHost.notify`."""
        self.model = model
        self.loop = loop
        self._log = log
        self._notify = notify or _nobody
        self._ids = itertools.count()
        self._defaults = model_defaults(model.generation, model.vocab_size)

    @classmethod
    def open(
        cls,
        host: PluginHost,
        selection: ModelSelection,
        runtime: RuntimeConfig,
        paged: PagedAttentionConfig,
        *,
        progress: Progress = no_progress,
        seed: int | None = None,
        log: Path | None = None,
    ) -> LocalEngine:
        """Load a model and start its engine. ``log`` is a file that every request and answer is appended to.

        Raises a :class:`~mistralrs.errors.MistralrsError` that says what is wrong with the reference, file or setting.
        """
        from mistralrs.api.prepare import prepare
        from mistralrs.loading.presets import with_presets
        from mistralrs.loading.uncollected import uncollected

        request_log = RequestLog(log) if log else None
        selection = with_presets(host.policy, selection)
        settings = {"model": selection.model_dump(exclude={"token_source"}), "runtime": runtime.model_dump()}
        host.notify("mistralrs_started", settings=settings, plugins=host.discover_all())
        with uncollected():
            prepared = prepare(host, selection, progress)
            # From here on torch is needed: these imports wait for it.
            from mistralrs.engine.thread import EngineThread
            from mistralrs.loading.load import load

            inspected, tokenizer = prepared.inspected, prepared.tokenizer
            loaded = load(
                host,
                inspected,
                tokenizer,
                selection=selection,
                runtime=runtime,
                paged=paged,
                seed=seed,
                progress=progress,
            )
        model = ServedModel(
            id=inspected.files.id,
            tokenizer=tokenizer,
            template=prepared.template,
            context_length=loaded.context_length,
            vocab_size=loaded.engine.config.vocab_size,
            generation=inspected.generation,
        )
        return cls(model, EngineThread(loaded.engine).start(), request_log, host.notify)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def sampling(self, options: SamplingOptions, fallback: Mapping[str, Any] = NO_DEFAULTS) -> SamplingParams:
        """The sampling a request with ``options`` gets; ``fallback`` counts when the model states no defaults."""
        return resolve(options, self._defaults, fallback, self.model.vocab_size)

    def chat(self, request: ChatRequest, fallback: Mapping[str, Any] = NO_DEFAULTS) -> Answer:
        """Continue a conversation. Raises :class:`RequestError` when the request cannot be turned into a prompt.

        What the engine itself refuses, such as a prompt longer than the context, is raised by the answer's iteration.
        """
        sampling = self.sampling(request.sampling, fallback)
        prompt = self.model.template.render(
            [message.for_template() for message in request.messages], tools=request.tools, **request.inputs()
        )
        # The template has written the special tokens already.
        ids = self.model.tokenizer.encode(prompt, add_special_tokens=False).ids
        request_id = next(self._ids)
        answer = Answer(lambda: self.loop.submit(Abort(request_id)), self._record(request_id, request))
        generate = Generate(id=request_id, prompt=tuple(ids), sampling=sampling, truncate=request.truncate)
        self.loop.submit(generate, answer.deliver)
        return answer

    def generate(
        self, prompt: Iterable[int], sampling: SamplingParams, deliver: Callable[[EngineOutput], None]
    ) -> Callable[[], None]:
        """Continue token ids as they are. Returns what stops it.

        ``deliver`` gets all output, on the engine's thread and ending with one Finished, which carries any error.
        """
        request_id = next(self._ids)
        self.loop.submit(Generate(id=request_id, prompt=tuple(prompt), sampling=sampling), deliver)
        return lambda: self.loop.submit(Abort(request_id))

    def _record(self, request_id: int, request: ChatRequest) -> Callable[[Answer], None]:
        """What happens when an answer has ended, on the thread that reads it: the log entry, and the event."""

        def ended(answer: Answer) -> None:
            if self._log is not None:
                asked = request.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
                self._log.write(model=self.model.id, request=asked, response=answer.text, reason=answer.reason)
            if answer.usage is not None and answer.reason is not None:
                record = RequestRecord(
                    id=request_id, model=self.model.id, reason=answer.reason.value, **asdict(answer.usage)
                )
                self._notify("mistralrs_request_finished", record=record)

        return ended

    def close(self) -> None:
        """End all requests and the engine."""
        self._notify("mistralrs_stopping")
        self.loop.close(CLOSE_SECONDS)
        if self._log is not None:
            self._log.close()
