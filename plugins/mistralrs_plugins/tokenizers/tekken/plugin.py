"""tekken.json: the declaration."""

from __future__ import annotations

from collections.abc import Iterator

from mistralrs.plugin import Ref, TokenizerSpec, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_tokenizers() -> Iterator[TokenizerSpec]:
    """Declare the kind of file."""
    yield TokenizerSpec(
        name="tekken",
        summary="tekken.json of Mistral's models: byte-pair ranks with their splitting expression",
        files=("tekken.json", "tekken_*.json"),
        priority=10,
        opener=Ref("mistralrs_plugins.tokenizers.tekken.reader:open_tokenizer"),
    )
