"""safetensors: the declaration."""

from __future__ import annotations

from collections.abc import Iterator

from mistralrs.plugin import FormatSpec, Ref, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_formats() -> Iterator[FormatSpec]:
    """Declare the format."""
    yield FormatSpec(
        name="safetensors",
        summary="safetensors files with config.json, one or several, or Mistral's own with params.json",
        suffixes=(".safetensors",),
        opener=Ref("mistralrs_plugins.formats.safetensors.checkpoint:open_safetensors"),
        companions=(
            "config.json",
            "params.json",
            "generation_config.json",
            "*.safetensors.index.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "chat_template.jinja",
            "chat_template.json",
            "processor_config.json",
            "preprocessor_config.json",
            "modules.json",
            "config_sentence_transformers.json",
            "sentence_bert_config.json",
            "*_Pooling/config.json",
            "*_Dense/config.json",
            "*_Dense/model.safetensors",
        ),
    )
