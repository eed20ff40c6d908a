"""A model whose answers tests can write: what it does depends on marks in the prompt."""

from __future__ import annotations

from typing import Any

from mistralrs.api.asynchronous import TextSide
from mistralrs.api.engine import ServedModel
from mistralrs.engine.thread import EngineThread
from mistralrs.errors import ModelFormatError
from mistralrs.loading.chat import ChatTemplate
from mistralrs.plugin import Ref
from mistralrs.api.recipe import EngineRecipe
from tests.engine import small_tokenizers
from tests.engine.scripted import NAN, VOCAB, Move, ScriptedModel, Slow, hashed, make_engine

SLOW, NUMERICAL, BROKEN, SPOKEN, ENDS = "~", "^", "|", "@", "$"
"""Marks: 20 ms a token, NaN as the fourth, a step that raises, the text below, an end after the second token."""
SPEECH = 'one\n\ndata: [DONE]\r\nevent: x\u2028{"a": 1}\U0001f600'
TEMPLATE = (
    "{% for m in messages %}{% if m.content == 'refuse' %}{{ raise_exception('refused') }}{% endif %}"
    "{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}#{% endif %}"
)
CONTEXT = 256
TOKENIZER = small_tokenizers.byte_level()
END = TOKENIZER.token_to_id("</s>")
GO = TOKENIZER.encode("#").ids[0]
LETTERS = TOKENIZER.encode("abcdefgijkmnopqrstuvwxyz").ids
_IDS = {mark: TOKENIZER.encode(mark).ids[0] for mark in (SLOW, NUMERICAL, BROKEN, SPOKEN, ENDS)}
_SPEECH = TOKENIZER.encode(SPEECH).ids


def answer(past: tuple[int, ...]) -> Move:
    """The next token after ``past``: a letter that depends on all of it, unless a mark says otherwise."""
    said = len(past) - 1 - past[::-1].index(GO) if GO in past else 0  # where a conversation's answer begins
    given = len(past) - 1 - said
    if _IDS[BROKEN] in past:
        return RuntimeError("broken at 0xdeadbeef in /home/somebody")
    if _IDS[NUMERICAL] in past and given == 3:
        return NAN
    if _IDS[ENDS] in past and given == 2:
        return END
    if _IDS[SPOKEN] in past:
        return _SPEECH[given] if given < len(_SPEECH) else END
    letter = LETTERS[hashed(past) % len(LETTERS)]
    return Slow(0.02, letter) if _IDS[SLOW] in past else letter


def make(**settings: Any) -> EngineThread:
    """Start the scripted engine; ``settings`` are those of EngineConfig."""
    if settings.pop("fails", False):
        raise ModelFormatError("the scripted model is damaged")
    engine = make_engine(
        ScriptedModel(answer),
        TOKENIZER,
        **{"context_length": CONTEXT, "num_blocks": 256, "eos_ids": frozenset({END}), **settings},
    )
    return EngineThread(engine).start()


def make_from(settings: dict[str, Any]) -> EngineThread:
    """As :func:`make`, for recipes."""
    return make(**settings)


def text_side() -> TextSide:
    """The text side that fits."""
    model = ServedModel(
        id="scripted",
        tokenizer=TOKENIZER,
        template=ChatTemplate({"default": TEMPLATE}),
        context_length=CONTEXT,
        vocab_size=VOCAB,
    )
    return TextSide(model=model, eos_ids=frozenset({END}))


def recipe(**settings: Any) -> EngineRecipe:
    """How the engine's process makes it."""
    return EngineRecipe(make=Ref("tests.serve.scripted_engine:make_from"), arguments=(settings,))
