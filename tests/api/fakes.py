"""An engine without a model: it answers by script, on a thread, through the engine's own messages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from mistralrs.api.engine import LocalEngine, ServedModel
from mistralrs.api.log import RequestLog
from mistralrs.engine.request import (
    Abort,
    EngineInput,
    EngineOutput,
    Finished,
    FinishReason,
    Generate,
    Tokens,
    Usage,
)
from mistralrs.loading.chat import ChatTemplate

Deliver = Callable[[EngineOutput], None]
TEMPLATE = "{% for m in messages %}[{{ m.role }}] {{ m.content }} {% endfor %}[assistant]"
WORDS = ("[", "]", "system", "user", "assistant", "hello", "again", "word")


class ScriptedLoop:
    """Answers every request with ``pieces``, ``delay`` seconds apart; ``requests`` are those that came."""

    def __init__(self, pieces: Sequence[str] = ("Hello", " there", "."), delay: float = 0.0) -> None:
        self.pieces, self.delay = pieces, delay
        self.error: Exception | None = None
        self.requests: list[Generate] = []
        self.closed = False
        self._aborted: set[int] = set()

    def submit(self, message: EngineInput, deliver: Deliver | None = None) -> None:
        if isinstance(message, Abort):
            self._aborted.add(message.id)
        elif isinstance(message, Generate) and deliver is not None:
            self.requests.append(message)
            threading.Thread(target=self._answer, args=(message, deliver), daemon=True).start()

    def _answer(self, request: Generate, deliver: Deliver) -> None:
        limit = request.sampling.max_tokens
        pieces = self.pieces[:limit]
        reason = FinishReason.LENGTH if len(pieces) < len(self.pieces) else FinishReason.STOP
        sent = 0
        for piece in pieces:
            if request.id in self._aborted:
                reason = FinishReason.ABORT
                break
            deliver(Tokens(id=request.id, tokens=(sent,), text=piece))
            sent += 1
            time.sleep(self.delay)
        usage = Usage(
            prompt_tokens=len(request.prompt),
            cached_tokens=4 if request.id else 0,
            completion_tokens=sent,
            queue_seconds=0.0,
            prompt_seconds=0.5,
            completion_seconds=0.25,
        )
        if self.error is not None:
            reason = FinishReason.ERROR
        deliver(Finished(id=request.id, reason=reason, usage=usage, error=self.error))

    def close(self, timeout: float | None = None) -> bool:
        self.closed = True
        return True


def word_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(WordLevel({"<unk>": 0} | {word: i for i, word in enumerate(WORDS, 1)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    return tokenizer


def scripted_engine(
    loop: ScriptedLoop, generation: dict[str, object] | None = None, log: RequestLog | None = None
) -> LocalEngine:
    model = ServedModel(
        id="scripted",
        tokenizer=word_tokenizer(),
        template=ChatTemplate({"default": TEMPLATE}),
        context_length=128,
        vocab_size=len(WORDS) + 1,
        generation=generation or {},
    )
    return LocalEngine(model, loop, log)
