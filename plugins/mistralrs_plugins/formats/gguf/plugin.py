"""GGUF: the declaration."""

from __future__ import annotations

from collections.abc import Iterator

from mistralrs.plugin import FormatSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_formats() -> Iterator[FormatSpec]:
    """Declare the format."""
    yield FormatSpec(
        name="gguf",
        summary="GGUF files of llama.cpp: weights, hyperparameters, tokenizer and template in one",
        suffixes=(".gguf",),
        opener=Ref("mistralrs_plugins.formats.gguf.checkpoint:open_gguf"),
    )
