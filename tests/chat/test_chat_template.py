"""Which template wins, what it is given, and how its failures are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mistralrs.config.model import ModelSelection
from mistralrs.errors import ModelFormatError, RequestError, SourceError
from mistralrs.loading.chat import ChatTemplate
from tests.chat.conversations import TOOLS
from tests.chat.fakes import BareCheckpoint, files_in, small_tokenizer

USER = [{"role": "user", "content": "hi"}]


def load(folder: Path, checkpoint: BareCheckpoint | None = None, **choice: Any) -> ChatTemplate:
    options = {name: choice.pop(name) for name in ("fallback", "ask_plugins") if name in choice}
    selection = ModelSelection(**choice)
    return ChatTemplate.load(files_in(folder), checkpoint or BareCheckpoint(), selection, small_tokenizer(), **options)


def test_the_order_of_sources(tmp_path: Path) -> None:
    model, extra = tmp_path / "model", tmp_path / "extra"
    model.mkdir()
    extra.mkdir()
    explicit, given = extra / "explicit.jinja", extra / "given.json"
    explicit.write_text("explicit")
    given.write_text(json.dumps({"chat_template": "given"}))
    named = {"chat_template": [{"name": "default", "template": "config"}]}
    (model / "processor_config.json").write_text(json.dumps({"chat_template": "processor"}))
    (model / "chat_template.jinja").write_text("jinja")
    (model / "tokenizer_config.json").write_text(json.dumps(named))
    (model / "chat_template.json").write_text(json.dumps({"chat_template": "json"}))
    checkpoint = BareCheckpoint(templates={"default": "weights"})

    def first(**choice: Any) -> str:
        return load(model, checkpoint, **choice).render(USER)

    assert first(jinja_explicit=explicit, chat_template=given) == "explicit"
    assert first(chat_template=given) == "processor"
    (model / "processor_config.json").unlink()
    assert first(chat_template=given) == "given"
    assert first() == "jinja"
    (model / "chat_template.jinja").unlink()
    assert first() == "config"
    (model / "tokenizer_config.json").unlink()
    assert first() == "json"
    (model / "chat_template.json").unlink()
    assert first() == "weights"
    checkpoint.templates = {}
    assert "[INST] hi" in first(fallback="llama2", ask_plugins=lambda: "plugin")
    assert first(ask_plugins=lambda: "plugin") == "plugin"


def test_a_model_without_a_template_says_so_when_asked(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        load(tmp_path).render(USER)
    assert caught.value.code == "no_chat_template"
    assert "--chat-template" in caught.value.hint


def test_tools_choose_the_tool_template_and_are_absent_otherwise(tmp_path: Path) -> None:
    checkpoint = BareCheckpoint(
        templates={
            "default": "{{ tools is defined }}",
            "tool_use": "{{ tools[0].function.name }} {{ xml_tools|length }} {{ builtin_tools is defined }}",
        }
    )
    template = load(tmp_path, checkpoint)
    assert template.render(USER) == "False"
    assert template.render(USER, tools=[]) == "False"
    assert template.render(USER, tools=TOOLS) == "get_weather 1 False"


def test_special_tokens_come_from_the_config_or_the_weights(tmp_path: Path) -> None:
    checkpoint = BareCheckpoint(
        templates={"default": "{{ bos_token }}{{ eos_token }}{{ unk_token }}{{ pad_token }}"},
        ids={"bos": 1, "eos": 2, "unk": 2**40},
    )
    assert load(tmp_path, checkpoint).render(USER) == "<s></s>"
    config = {"bos_token": {"content": "<B>", "lstrip": False}, "pad_token": "<P>", "eos_token": None}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert load(tmp_path, checkpoint).render(USER) == "<B></s><P>"


def test_template_inputs(tmp_path: Path) -> None:
    source = "{{ enable_thinking }} {{ reasoning_effort|default('unset') }} {{ date_string|length }}"
    template = load(tmp_path, BareCheckpoint(templates={"default": source}))
    assert template.render(USER) == "True unset 11"
    assert template.render(USER, enable_thinking=False, reasoning_effort="low") == "False low 11"


@pytest.mark.parametrize("name", ["bos_token", "pad_token"])
def test_the_engine_s_own_inputs_cannot_be_overridden(tmp_path: Path, name: str) -> None:
    template = load(tmp_path, BareCheckpoint(templates={"default": "x"}))
    with pytest.raises(RequestError) as caught:
        template.render(USER, **{name: "evil"})
    assert caught.value.param == name


def test_a_template_may_refuse_the_messages(tmp_path: Path) -> None:
    template = load(tmp_path, BareCheckpoint(templates={"default": "{{ raise_exception('take turns') }}"}))
    with pytest.raises(RequestError) as caught:
        template.render(USER)
    assert caught.value.message == "the chat template refuses: take turns"
    assert caught.value.code == "template_error"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("\n{{ nothing.here.at.all }}", "'nothing' is undefined in line 2"),
        ("{{ 1 + 'a' }}", "TypeError in line 1"),
        ("{% include 'other' %}", "TypeError in line 1"),
    ],
)
def test_failures_name_the_line(tmp_path: Path, source: str, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        load(tmp_path, BareCheckpoint(templates={"default": source})).render(USER)
    assert caught.value.message == f"the chat template failed: {words}"


def test_a_syntax_error_stops_the_load(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_text("fine\n{% if %}")
    with pytest.raises(ModelFormatError, match=r"chat_template\.jinja does not compile: .* in line 2"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("tokenizer_config.json", b"{", "not valid JSON"),
        ("tokenizer_config.json", b"[]", "must hold a JSON object"),
        ("tokenizer_config.json", b'{"chat_template": 3}', "string or a list of named templates"),
        ("tokenizer_config.json", b'{"chat_template": [{"name": 3}]}', "string or a list of named templates"),
        ("tokenizer_config.json", b"[" * 100_000, "not valid JSON"),
        ("chat_template.jinja", b"\xff\xfe", "not UTF-8"),
        ("chat_template.jinja", b"a" * ((1 << 20) + 1), "longer than 1048576 characters"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ModelFormatError, match=words) as caught:
        load(tmp_path)
    assert name in caught.value.message


def test_a_missing_template_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no\.jinja"):
        load(tmp_path, chat_template=tmp_path / "no.jinja")
