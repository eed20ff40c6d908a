"""The templates that real models came with render as transformers renders them, conversation by conversation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mistralrs.errors import RequestError
from mistralrs.loading.chat import ChatTemplate
from tests.chat.conftest import Reference
from tests.chat.conversations import CONVERSATIONS, TOOLS
from tests.published import npm_files, template_files

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
# Templates that ask for a date get the same one on both sides; Mistral's want ids of nine characters.
DATE, NINE = "01 Jan 2026", "callid001"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files() -> list[Path]:
    return template_files()


def conversation(name: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = json.loads(json.dumps(CONVERSATIONS[name]).replace("call-00001", NINE))
    return messages


def compare(reference: Reference, sources: dict[str, str], tokens: dict[str, str], name: str, **inputs: Any) -> bool:
    """Whether both sides write the same; False when the template refuses the conversation, on both sides."""
    source = sources.get("tool_use", sources["default"]) if inputs["tools"] else sources["default"]
    ours = ChatTemplate(sources, tokens)
    inputs["date_string"] = DATE
    try:
        expected = reference(source, conversation(name), add_generation_prompt=True, **inputs, **tokens)
    # Whatever a template raises, it raises it here too, as the client's error.
    except Exception:
        with pytest.raises(RequestError):
            ours.render(conversation(name), **inputs)
        return False
    assert ours.render(conversation(name), **inputs) == expected
    return True


@pytest.mark.parametrize("thinking", [True, False], ids=["thinking", "silent"])
@pytest.mark.parametrize("tools", [None, TOOLS], ids=["no tools", "tools"])
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_every_family_s_prompt_equals_transformers(
    files: list[Path], reference: Reference, name: str, tools: Any, thinking: bool
) -> None:
    # Templates made for tools alone cannot be rendered without them there; here an absent list is an empty one.
    chosen = [path for path in files if tools or not path.stem.endswith("tool_use")]
    rendered = [
        compare(reference, {"default": path.read_text("utf-8")}, TOKENS, name, tools=tools, enable_thinking=thinking)
        for path in chosen
    ]
    assert len(rendered) >= 66
    assert sum(rendered) >= 55  # few templates take every conversation


@pytest.mark.parametrize("tools", [None, TOOLS], ids=["no tools", "tools"])
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_several_named_templates(reference: Reference, name: str, tools: Any) -> None:
    config = json.loads((npm_files("command_r_plus") / "tokenizer_config.json").read_text("utf-8"))
    sources = {item["name"]: item["template"] for item in config["chat_template"]}
    assert {"default", "tool_use"} <= sources.keys()
    tokens = {key: config[key] for key in ("bos_token", "eos_token")}
    compare(reference, sources, tokens, name, tools=tools, enable_thinking=True)
