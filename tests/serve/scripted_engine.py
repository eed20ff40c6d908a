"""The real engine around a model whose answers depend on marks in the prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mistralrs.engine.thread import EngineThread
from tests.engine.scripted import NAN, Move, ScriptedModel, Slow, hashed, make_engine
from tests.serve.led_steps import follow
from tests.serve.scripted_text import (
    BROKEN,
    CONTEXT,
    END,
    ENDS,
    GO,
    LETTERS,
    LONG,
    MARK_IDS,
    NUMERICAL,
    SLOW,
    SPEECH_IDS,
    SPOKEN,
    STUCK,
    TOKENIZER,
)


def answer(past: tuple[int, ...]) -> Move:
    """The next token after ``past``: a letter that depends on all of it, unless a mark says otherwise."""
    marked = {mark for mark, token in MARK_IDS.items() if token in past}
    given = past[::-1].index(GO) if GO in past else 0  # tokens of the answer, in a conversation
    if BROKEN in marked:
        return RuntimeError("broken at 0xdeadbeef in /home/somebody")
    if NUMERICAL in marked and given == 3:
        return NAN
    if ENDS in marked and given == 2:
        return END
    if SPOKEN in marked:
        return SPEECH_IDS[given] if given < len(SPEECH_IDS) else END
    letter = LETTERS[hashed(past) % len(LETTERS)]
    if STUCK in marked and given == 0:
        return Slow(1.5, letter)
    if LONG in marked:
        return Slow(0.4, letter)
    return Slow(0.02, letter) if SLOW in marked else letter


def make(settings: dict[str, Any]) -> EngineThread:
    """Start the engine. With ``led_by``, a folder, each step waits for leave: see :mod:`tests.serve.led_steps`."""
    folder = settings.pop("led_by", None)
    sizes = {"context_length": CONTEXT, "num_blocks": 256, "eos_ids": frozenset({END}), **settings}
    engine = make_engine(ScriptedModel(answer), TOKENIZER, **sizes)
    thread = EngineThread(engine)
    if folder is not None:
        follow(engine, thread, Path(folder))
    return thread.start()
