"""ggml: the declaration."""

from __future__ import annotations

from collections.abc import Iterator

from mistralrs.plugin import FormatSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_formats() -> Iterator[FormatSpec]:
    """Declare the format."""
    yield FormatSpec(
        name="ggml",
        summary="LLaMA files of llama.cpp before GGUF: ggml, ggmf 1 and ggjt 1 to 3",
        suffixes=(".ggml",),
        shared_suffixes=(".bin",),
        opener=Ref("mistralrs_plugins.formats.ggml.checkpoint:open_ggml"),
    )
