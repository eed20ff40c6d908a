"""The fallback templates: what each writes, where another library can tell, and when one is chosen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from mistralrs.config.model import ModelSelection
from mistralrs.errors import RequestError, SourceError
from mistralrs.loading.chat import ChatTemplate
from mistralrs.loading.templates.sources import shipped, shipped_names
from tests.chat.conversations import TOOLS
from tests.chat.fakes import BareCheckpoint, files_in

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TURNS = [
    {"role": "system", "content": "S"},
    {"role": "user", "content": "U"},
    {"role": "assistant", "content": "A"},
    {"role": "user", "content": "V"},
]
CALL = {"id": "callid001", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Bern"}}}
TOOL_TURNS: list[dict[str, Any]] = [
    {"role": "system", "content": "S"},
    {"role": "user", "content": "weather?"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "name": "get_weather", "tool_call_id": "callid001", "content": "sunny"},
    {"role": "assistant", "content": "It is sunny."},
    {"role": "user", "content": "and now?"},
]
SMOLLM3_SYSTEM = (
    "<|im_start|>system\n## Metadata\n\nKnowledge Cutoff Date: June 2025\nToday Date: TODAY\nReasoning Mode: /think\n\n"
    "## Custom Instructions\n\nS<|im_end|>\n"
)
CHATML = (
    "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n"
    "<|im_start|>assistant\nA<|im_end|>\n<|im_start|>user\nV<|im_end|>\n<|im_start|>assistant\n"
)
GEMMA = (
    "<s><start_of_turn>user\nS\n\nU<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n"
    "<start_of_turn>user\nV<end_of_turn>\n<start_of_turn>model\n"
)
PHI3 = "<|system|>\nS<|end|>\n<|user|>\nU<|end|>\n<|assistant|>\nA<|end|>\n<|user|>\nV<|end|>\n<|assistant|>\n"
EXPECTED = {
    "chatml": CHATML,
    "deepseek_tool_call": "<s>S<|User|>U<|Assistant|>A<|end_of_sentence|><|User|>V<|Assistant|>",
    "default": "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST] A </s>[INST] V [/INST]",
    "gemma": GEMMA,
    "gemma3n": GEMMA,
    "hermes": "<s>" + CHATML,
    "idefics3": (
        "<|im_start|>System: S<end_of_utterance>\nUser: U<end_of_utterance>\nAssistant: A<end_of_utterance>\n"
        "User: V<end_of_utterance>\nAssistant:"
    ),
    "llama2": "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST] A </s><s>[INST] V [/INST]",
    "llama3": (
        "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n"
        "U<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nA<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nV<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "mistral": "<s>[INST] S\n\nU [/INST] A</s>[INST] V [/INST]",
    "mistral_nemo_tool_call": "<s>[INST]U[/INST]A</s>[INST]S\n\nV[/INST]",
    "mistral_small_tool_call": "<s>[SYSTEM_PROMPT]S[/SYSTEM_PROMPT][INST]U[/INST]A</s>[INST]V[/INST]",
    "phi3": PHI3,
    "phi3.5": PHI3,
    "smollm3": SMOLLM3_SYSTEM + CHATML.removeprefix("<|im_start|>system\nS<|im_end|>\n"),
    "vicuna": "S USER: U ASSISTANT: A</s>USER: V ASSISTANT:",
}
TOOLS_BLOCK = json.dumps(TOOLS, ensure_ascii=False)
ARGUMENTS = '{"name": "get_weather", "arguments": {"city": "Bern"}'


def render(name: str, messages: list[dict[str, Any]], **inputs: Any) -> str:
    return ChatTemplate({"default": shipped(name).read_text()}, TOKENS).render(messages, **inputs)


def ascii_marks(text: str) -> str:
    """DeepSeek's marks with the signs that everybody has on the keyboard."""
    return text.replace("\uff5c", "|").replace("\u2581", "_")


def test_every_shipped_template_has_an_expectation() -> None:
    questions = {"qwen3_reranker"}  # has no conversations; see the tests of rerankers
    assert set(shipped_names()) == set(EXPECTED) | questions


@pytest.mark.parametrize("name", EXPECTED)
def test_a_conversation(name: str) -> None:
    from datetime import datetime

    expected = EXPECTED[name].replace("TODAY", datetime.now().strftime("%d %B %Y"))
    assert ascii_marks(render(name, TURNS)) == expected


@pytest.mark.parametrize("name", ["mistral_nemo_tool_call", "mistral_small_tool_call"])
def test_mistral_s_own_library_writes_the_same(name: str) -> None:
    from mistral_common.protocol.instruct.request import ChatCompletionRequest
    from mistral_common.tokens.tokenizers.base import SpecialTokenPolicy
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    nemo = name == "mistral_nemo_tool_call"
    library = MistralTokenizer.v3(is_tekken=True) if nemo else MistralTokenizer.v7()
    for messages, tools in ((TURNS, None), (TOOL_TURNS, TOOLS)):
        request = json.loads(json.dumps({"messages": messages, "tools": tools}))
        for message in request["messages"]:
            for call in message.get("tool_calls", ()):
                call["function"]["arguments"] = json.dumps(call["function"]["arguments"])
        ids = library.encode_chat_completion(ChatCompletionRequest(**request)).tokens
        text = library.decode(ids, special_token_policy=SpecialTokenPolicy.KEEP)
        # SentencePiece writes a mark before each text; Tekken does not.
        assert render(name, messages, tools=tools).replace(" ", "") == text.replace("\u2581", "").replace(" ", "")


def test_hermes_tools() -> None:
    text = render("hermes", TOOL_TURNS, tools=TOOLS)
    tool = json.dumps(TOOLS[0], ensure_ascii=False)
    assert f"<tools>\n{tool}\n</tools>" in text
    assert f"<|im_start|>assistant\n<tool_call>\n{ARGUMENTS}}}\n</tool_call><|im_end|>\n" in text
    assert "<|im_start|>tool\n<tool_response>\nsunny\n</tool_response><|im_end|>\n" in text
    assert text.endswith("<|im_start|>user\nand now?<|im_end|>\n<|im_start|>assistant\n")


def test_results_that_follow_one_another_share_a_turn() -> None:
    result = TOOL_TURNS[3]
    text = render("hermes", [*TOOL_TURNS[:4], result], tools=TOOLS)
    block = "<tool_response>\nsunny\n</tool_response>"
    assert f"<|im_start|>tool\n{block}\n{block}<|im_end|>\n" in text


def test_deepseek_tools() -> None:
    text = ascii_marks(render("deepseek_tool_call", TOOL_TURNS, tools=TOOLS))
    assert json.dumps(TOOLS[0], ensure_ascii=False) in text
    call = 'function<|tool_sep|>get_weather\n```json\n{"city": "Bern"}\n```'
    assert (
        f"<|Assistant|><|tool_calls_begin|><|tool_call_begin|>{call}<|tool_call_end|><|tool_calls_end|>"
        "<|end_of_sentence|><|tool_outputs_begin|><|tool_output_begin|>sunny<|tool_output_end|><|tool_outputs_end|>"
        "It is sunny.<|end_of_sentence|><|User|>and now?<|Assistant|>"
    ) in text


def test_smollm3_modes() -> None:
    silent = render("smollm3", TURNS, enable_thinking=False)
    assert "Reasoning Mode: /no_think" in silent
    assert silent.endswith("<|im_start|>assistant\n<think>\n\n</think>\n")
    told = render("smollm3", [{"role": "system", "content": "/no_think Be kind."}, *TURNS[1:]])
    assert "Reasoning Mode: /no_think\n\n## Custom Instructions\n\nBe kind.<|im_end|>" in told
    own = render("smollm3", [{"role": "system", "content": "/system_override Only this."}, *TURNS[1:]])
    assert own.startswith("<|im_start|>system\nOnly this.<|im_end|>\n")
    assert f"<tool_call>\n{ARGUMENTS}}}\n</tool_call>" in render("smollm3", TOOL_TURNS, tools=TOOLS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vicuna", "USER: <image>\nwhat is it? ASSISTANT:"),
        ("idefics3", "<|im_start|>User:<image>what is it?<end_of_utterance>\nAssistant:"),
        ("gemma3n", "<s><start_of_turn>user\n<image_soft_token>what is it?<end_of_turn>\n<start_of_turn>model\n"),
    ],
)
def test_images_have_their_places(name: str, expected: str) -> None:
    parts = [{"type": "image_url", "image_url": {"url": "x"}}, {"type": "text", "text": "what is it?"}]
    assert render(name, [{"role": "user", "content": parts}]) == expected


@pytest.mark.parametrize("name", ["mistral", "gemma3n"])
def test_turns_out_of_order_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="must take turns"):
        render(name, [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}])


def test_phi35_ends_a_conversation_that_is_not_continued() -> None:
    assert render("phi3.5", TURNS[1:3], add_generation_prompt=False).endswith("A<|end|>\n</s>")


def chosen(folder: Path, tokens: list[str], **choice: Any) -> str:
    vocabulary = {token: index for index, token in enumerate(["<unk>", *tokens])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    fallback = choice.pop("fallback", None)
    selection = ModelSelection(**choice)
    template = ChatTemplate.load(files_in(folder), BareCheckpoint(), selection, tokenizer, fallback=fallback)
    return template.origin.removeprefix("the shipped template ")


def test_a_fallback_is_used_only_with_its_tokens(tmp_path: Path) -> None:
    turns = ["<start_of_turn>", "<end_of_turn>"]
    assert chosen(tmp_path, turns, fallback="gemma") == "gemma"
    assert chosen(tmp_path, [], fallback="gemma") == ""
    assert chosen(tmp_path, [], fallback="mistral") == "mistral"


def test_templates_are_recognized_by_their_tokens(tmp_path: Path) -> None:
    assert chosen(tmp_path, ["<|im_start|>", "<|im_end|>"]) == "chatml"
    llama3 = ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    assert chosen(tmp_path, llama3) == "llama3"
    assert chosen(tmp_path, llama3, fallback="chatml") == "llama3"


def test_a_shipped_template_is_chosen_by_its_bare_name(tmp_path: Path) -> None:
    assert chosen(tmp_path, [], chat_template=Path("hermes")).endswith("hermes.jinja")
    with pytest.raises(SourceError) as caught:
        chosen(tmp_path, [], chat_template=Path("hermas"))
    assert "hermes" in caught.value.hint
