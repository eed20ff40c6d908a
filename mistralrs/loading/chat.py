"""A model's chat template: from messages to the text the model was trained to continue.

Everything that turns messages into a prompt goes through :meth:`ChatTemplate.render`, so that there is one place
that is sandboxed and limited: see :mod:`mistralrs.loading.templates`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mistralrs.checkpoint import Checkpoint, ModelFiles
from mistralrs.config.model import ModelSelection
from mistralrs.errors import ModelFormatError, RequestError
from mistralrs.loading.templates.renderer import renderer
from mistralrs.loading.templates.sources import DEFAULT, find_sources, read_object

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TOOL_USE = "tool_use"
SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")
# The tools Llama's templates announce by name only.
BUILTIN_TOOLS = ("browser", "python", "code_interpreter", "web_search", "brave_search", "wolfram_alpha")
RESERVED = frozenset({"self", "messages", "tools", "add_generation_prompt", *SPECIAL_TOKENS})


@dataclass(frozen=True)
class ChatTemplate:
    """The templates of one model by name, and the special tokens they may write.

    ``origin`` says where the templates came from. A model without a template has no ``sources``.
    """

    sources: Mapping[str, str]
    tokens: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""

    @classmethod
    def load(
        cls,
        files: ModelFiles,
        checkpoint: Checkpoint,
        selection: ModelSelection,
        tokenizer: Tokenizer,
        *,
        fallback: str | None = None,
        ask_plugins: Callable[[], str | None] = lambda: None,
    ) -> ChatTemplate:
        """Find the model's templates and check their syntax.

        ``fallback`` names a file of ``chat_templates/``; ``ask_plugins`` is called when the model brings nothing.
        Raises :class:`ModelFormatError` for a template that does not compile.
        """
        found = find_sources(
            files,
            checkpoint,
            selection,
            fallback=fallback,
            ask_plugins=ask_plugins,
            knows=lambda token: tokenizer.token_to_id(token) is not None,
        )
        if found is None:
            return cls({})
        for name, source in found.by_name.items():
            if problem := renderer.compile(source):
                raise ModelFormatError(
                    f"the chat template {name!r} of {found.origin} does not compile: {problem}",
                    "give another with --chat-template FILE",
                )
        return cls(found.by_name, special_tokens(files, checkpoint, tokenizer), found.origin)

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        add_generation_prompt: bool = True,
        tools: Sequence[Mapping[str, Any]] | None = None,
        **variables: Any,
    ) -> str:
        """The prompt for ``messages``. ``variables`` are further inputs of the template, such as ``enable_thinking``.

        Raises :class:`RequestError`: code ``template_error`` when the template refuses the messages, fails or exceeds
        its limits; code ``no_chat_template`` when the model has none; naming the key when a variable is reserved.
        """
        source = self._select(TOOL_USE if tools else DEFAULT)
        for name in variables:
            if name in RESERVED:
                raise RequestError(f"{name!r} is set by the engine and cannot be given", param=name)
        inputs = {
            **self.tokens,
            "date_string": datetime.now().strftime("%d %b %Y"),
            "enable_thinking": True,
            **variables,
            "messages": [plain_message(message) for message in messages],
            "add_generation_prompt": add_generation_prompt,
            **(tool_inputs(tools) if tools else {}),
        }
        return renderer.render(source, inputs)

    def _select(self, wanted: str) -> str:
        if not self.sources:
            raise RequestError(
                "this model has no chat template",
                "give one with --chat-template FILE, or send a plain prompt",
                param="messages",
                code="no_chat_template",
            )
        return self.sources.get(wanted) or self.sources.get(DEFAULT) or next(iter(self.sources.values()))


def plain_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as templates expect it: tool arguments as objects, reasoning under both names that are in use."""
    plain = dict(message)
    if calls := plain.get("tool_calls"):
        plain["tool_calls"] = [_plain_call(call) for call in calls]
    reasoning = plain.get("reasoning_content")
    if reasoning is not None:
        plain.setdefault("thinking", reasoning)
    return plain


def _plain_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("arguments"), str):
        return dict(call)
    try:
        arguments = json.loads(function["arguments"])
    except (ValueError, RecursionError):
        return dict(call)
    if not isinstance(arguments, dict):
        return dict(call)
    return {**call, "function": {**function, "arguments": arguments}}


def tool_inputs(tools: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The template inputs that exist only when there are tools."""
    names = [tool.get("function", {}).get("name") for tool in tools]
    builtin = [name for name in names if name in BUILTIN_TOOLS]
    return {"tools": list(tools), "xml_tools": list(tools), **({"builtin_tools": builtin} if builtin else {})}


def special_tokens(files: ModelFiles, checkpoint: Checkpoint, tokenizer: Tokenizer) -> dict[str, str]:
    """The texts of ``bos_token`` and its like: from tokenizer_config.json, else by the ids the weights state."""
    path = files.companions.get("tokenizer_config.json")
    config = read_object(path) if path else {}
    ids = checkpoint.special_ids()
    tokens: dict[str, str] = {}
    for name in SPECIAL_TOKENS:
        text = _token_text(config.get(name))
        token = ids.get(name.removesuffix("_token"))
        if text is None and token is not None and 0 <= token < tokenizer.get_vocab_size():
            text = tokenizer.id_to_token(token)
        if text is not None:
            tokens[name] = text
    return tokens


def _token_text(value: object) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("content")
    return value if isinstance(value, str) else None
