"""The text side of the scripted model, and the marks in a prompt that say what it does. Imports no torch."""

from __future__ import annotations

from typing import Any

from mistralrs.api.asynchronous import TextSide
from mistralrs.api.engine import ServedModel
from mistralrs.api.recipe import EngineRecipe
from mistralrs.loading.chat import ChatTemplate
from mistralrs.loading.estimate import MemoryEstimate
from mistralrs.plugin import Ref
from tests.engine import small_tokenizers

SLOW, NUMERICAL, BROKEN, SPOKEN, ENDS, STUCK, LONG = MARKS = "~", "^", "|", "@", "$", "%", "`"
"""20 ms a token, NaN as the fourth, a step that raises, the text below, an end after two tokens, 1.5 s for the first
token, 0.4 s for each.
"""
SPEECH = 'one\n\ndata: [DONE]\r\nevent: x\u2028{"a": 1}\U0001f600'
TEMPLATE = (
    "{% for m in messages %}{% if m.content == 'refuse' %}{{ raise_exception('refused') }}{% endif %}"
    "{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}#{% endif %}"
)
CONTEXT = 256
VOCAB = 272
TOKENIZER = small_tokenizers.byte_level()
END = TOKENIZER.token_to_id("</s>")
GO = TOKENIZER.encode("#").ids[0]
LETTERS = TOKENIZER.encode("abcdefgijkmnopqrstuvwxyz").ids
MARK_IDS = {mark: TOKENIZER.encode(mark).ids[0] for mark in MARKS}
SPEECH_IDS = TOKENIZER.encode(SPEECH).ids


def text_side(name: str = "scripted", memory: int | None = None, task: str = "generate") -> TextSide:
    """What the server reads and writes with; ``memory`` is the bytes that its engine is said to take."""
    model = ServedModel(
        id=name,
        tokenizer=TOKENIZER,
        template=ChatTemplate({"default": TEMPLATE}),
        context_length=CONTEXT,
        vocab_size=VOCAB,
    )
    estimate = None if memory is None else MemoryEstimate(weights=memory, process=0)
    return TextSide(model=model, eos_ids=frozenset({END}), memory=estimate, task=task)


def recipe(settings: dict[str, Any], *, light: bool) -> EngineRecipe:
    """How the engine's process makes its engine; ``settings`` are those of EngineConfig."""
    module = "tests.serve.scripted_loop" if light else "tests.serve.scripted_engine"
    return EngineRecipe(make=Ref(f"{module}:make"), arguments=(settings,))
