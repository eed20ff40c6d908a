"""Our prompts are the ones transformers makes, which is what models were trained on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mistralrs.checkpoint import ModelFiles
from mistralrs.loading.chat import ChatTemplate
from mistralrs_plugins.formats.gguf.checkpoint import open_gguf
from tests.chat.conftest import Reference
from tests.chat.conversations import CONVERSATIONS, TEMPLATES, TOOLS

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


@pytest.mark.parametrize("thinking", [True, False])
@pytest.mark.parametrize("with_tools", [True, False], ids=["tools", "no tools"])
@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("name", TEMPLATES)
def test_prompt_is_equal(reference: Reference, name: str, conversation: str, with_tools: bool, thinking: bool) -> None:
    source, messages = TEMPLATES[name], CONVERSATIONS[conversation]
    tools = TOOLS if with_tools else None
    expected = reference(source, messages, tools=tools, add_generation_prompt=True, enable_thinking=thinking, **TOKENS)
    template = ChatTemplate({"default": source}, TOKENS)
    assert template.render(messages, tools=tools, enable_thinking=thinking) == expected


def test_smollm2_prompt_is_equal(reference: Reference, smollm2_gguf: Path) -> None:
    source = gguf_template(smollm2_gguf)
    tokens = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}
    for name in ("plain", "system", "turns"):
        for prompt in (True, False):
            messages = CONVERSATIONS[name]
            expected = reference(source, messages, add_generation_prompt=prompt, **tokens)
            ours = ChatTemplate({"default": source}, tokens).render(messages, add_generation_prompt=prompt)
            assert ours == expected


def test_string_arguments_become_objects(reference: Reference) -> None:
    messages = json.loads(json.dumps(CONVERSATIONS["tool result"]))
    expected = reference(TEMPLATES["tools"], messages, tools=TOOLS, add_generation_prompt=True)
    function = messages[1]["tool_calls"][0]["function"]
    function["arguments"] = json.dumps(function["arguments"])
    assert ChatTemplate({"default": TEMPLATES["tools"]}).render(messages, tools=TOOLS) == expected


def gguf_template(path: Path) -> str:
    files = ModelFiles(id="smollm2", source="file", root=path.parent, weights=(path,))
    checkpoint = open_gguf(files)
    template = checkpoint.chat_templates()["default"]
    checkpoint.close()
    return template
