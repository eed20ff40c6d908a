"""tiktoken: the declaration."""

from __future__ import annotations

from collections.abc import Iterator

from mistralrs.plugin import Ref, TokenizerSpec, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_tokenizers() -> Iterator[TokenizerSpec]:
    """Declare the kind of file."""
    yield TokenizerSpec(
        name="tiktoken",
        summary="tiktoken vocabularies of OpenAI, Llama 3, Qwen and Kimi",
        files=("tiktoken.model", "*.tiktoken"),
        suffixes=(".tiktoken",),
        priority=-10,
        opener=Ref("mistralrs_plugins.tokenizers.tiktoken.reader:open_tokenizer"),
    )
