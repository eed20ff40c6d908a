"""The templates that real models came with render as transformers renders them, conversation by conversation."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from mistralrs.errors import RequestError
from mistralrs.loading.chat import ChatTemplate
from tests.chat.conversations import CONVERSATIONS, TOOLS
from tests.npm import model_files

MODELS = ("command_r_plus", "deepseek_v3", "llama3_2", "mistral_nemo", "qwen2_5", "qwen3")
NINE = "callid001"  # Mistral's templates insist on ids of nine characters


def conversation(name: str) -> list[dict[str, Any]]:
    text = json.dumps(CONVERSATIONS[name]).replace("call-00001", NINE)
    messages: list[dict[str, Any]] = json.loads(text)
    return messages


@pytest.fixture(scope="module")
def reference() -> Callable[..., str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from transformers.utils.chat_template_utils import render_jinja_template

    def render(source: str, messages: list[dict[str, Any]], **inputs: Any) -> str:
        texts, _ = render_jinja_template([messages], chat_template=source, **inputs)
        return str(texts[0])

    return render


def config_of(model: str) -> tuple[dict[str, str], dict[str, str]]:
    """Templates by name, and special tokens, as the model's tokenizer_config.json has them."""
    config = json.loads((model_files(model) / "tokenizer_config.json").read_text("utf-8"))
    found = config["chat_template"]
    sources = {"default": found} if isinstance(found, str) else {item["name"]: item["template"] for item in found}
    tokens = {}
    for name in ("bos_token", "eos_token", "unk_token", "pad_token"):
        value = config.get(name)
        if value is not None:
            tokens[name] = value if isinstance(value, str) else value["content"]
    return sources, tokens


@pytest.mark.parametrize("with_tools", [False, True], ids=["no tools", "tools"])
@pytest.mark.parametrize("name", CONVERSATIONS)
@pytest.mark.parametrize("model", MODELS)
def test_prompt_equals_transformers(reference: Callable[..., str], model: str, name: str, with_tools: bool) -> None:
    sources, tokens = config_of(model)
    tools = TOOLS if with_tools else None
    source = sources.get("tool_use", sources["default"]) if tools else sources["default"]
    # Templates that ask for a date get the same one on both sides.
    inputs: dict[str, Any] = {"enable_thinking": True, "date_string": "01 Jan 2026", **tokens}
    ours = ChatTemplate(sources, tokens)
    try:
        expected = reference(source, conversation(name), tools=tools, add_generation_prompt=True, **inputs)
    except Exception:
        # A template may refuse a conversation; then it refuses it here too, as the client's error.
        with pytest.raises(RequestError):
            ours.render(conversation(name), tools=tools, date_string="01 Jan 2026")
        return
    assert ours.render(conversation(name), tools=tools, date_string="01 Jan 2026") == expected
