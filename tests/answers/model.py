"""The real model, loaded as every front end loads it, for tests that look at tokens."""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer

from mistralrs.checkpoint import ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.config.runtime import RuntimeConfig
from mistralrs.engine.engine import Engine
from mistralrs.engine.request import Generate, SamplingParams, Tokens
from mistralrs.loading.chat import ChatTemplate
from mistralrs.loading.inspect import inspect
from mistralrs.loading.load import load
from mistralrs.loading.tokenizer import load_tokenizer
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.policy import Policy


def load_engine(file: Path) -> tuple[Engine, Tokenizer, ChatTemplate]:
    """Engine, tokenizer and chat template of one local file."""
    host, selection = PluginHost(Policy()), ModelSelection()
    files = ModelFiles(id=file.stem, source="file", root=file.parent, weights=(file,))
    inspected = inspect(host, files, selection)
    tokenizer = load_tokenizer(host, files, inspected.checkpoint)
    template = ChatTemplate.load(files, inspected.checkpoint, selection, tokenizer)
    loaded = load(
        host, inspected, tokenizer, selection=selection, runtime=RuntimeConfig(), paged=PagedAttentionConfig()
    )
    return loaded.engine, tokenizer, template


def render(tokenizer: Tokenizer, template: ChatTemplate, question: str) -> list[int]:
    """The token ids of a one-question conversation."""
    text = template.render([{"role": "user", "content": question}])
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    return ids


def answer(engine: Engine, prompts: list[list[int]], max_tokens: int) -> list[list[int]]:
    """Greedy answers to all prompts in one batch."""
    greedy = SamplingParams(temperature=0.0, max_tokens=max_tokens)
    for index, prompt in enumerate(prompts):
        engine.add(Generate(id=index, prompt=tuple(prompt), sampling=greedy))
    answers: list[list[int]] = [[] for _ in prompts]
    while engine.has_work:
        for output in engine.step():
            if isinstance(output, Tokens):
                answers[output.id] += output.tokens
    engine.check_idle()
    return answers
