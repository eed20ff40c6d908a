"""tokenizer.json: the declaration."""

from __future__ import annotations

from collections.abc import Iterator

from mistralrs.plugin import Ref, TokenizerSpec, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_tokenizers() -> Iterator[TokenizerSpec]:
    """Declare the kind of file."""
    yield TokenizerSpec(
        name="huggingface",
        summary="tokenizer.json, as the tokenizers library saves it",
        files=("tokenizer.json",),
        suffixes=(".json",),
        priority=20,
        opener=Ref("mistralrs_plugins.tokenizers.huggingface.reader:open_tokenizer"),
    )
