"""Which model is wanted: where it comes from, which of its files, and what overrides what it says of itself."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from mistralrs.config.section import Section

TOKEN_SOURCES = "cache, none, env:VARIABLE, path:FILE or literal:TOKEN"
TRUE_WORDS = frozenset({"1", "on", "true", "yes"})


class ModelSelection(Section):
    """One model. ``model_id`` None means the default model of the registry, unless ``quantized_file`` names files.

    ``arch`` and ``format`` override what the files say; ``tok_model_id`` is a repository or folder that supplies
    configuration and tokenizer for a bare weight file. ``gqa`` above 1 is how many query heads the model has for each
    of keys, which files tell by themselves: it is only checked. ``isq`` names a quantization plugin that quantizes
    plain weights while they are loaded. ``revision`` pins every file that is fetched.

    ``cpu`` rules other devices out. ``device_layers`` (``ORD:NUM``, or a number of layers for device 0) or the file
    ``topology`` place the layers; otherwise they are placed by free memory, with room in the cache for
    ``max_batch_size`` sequences of ``max_seq_len`` tokens.
    """

    model_id: str | None = None
    revision: str | None = None
    tokenizer: Path | None = None
    arch: str | None = None
    dtype: Literal["auto", "bf16", "f16", "f32"] = "auto"
    format: str | None = None
    quantized_file: tuple[str, ...] = ()
    tok_model_id: str | None = None
    gqa: int | None = Field(default=None, ge=1)
    isq: str | None = None
    token_source: str = "cache"
    hf_cache: Path | None = None
    cpu: bool = False
    device_layers: tuple[str, ...] = ()
    topology: Path | None = None
    max_seq_len: int = Field(default=4096, ge=1)
    max_batch_size: int = Field(default=1, ge=1)
    chat_template: Path | None = None
    jinja_explicit: Path | None = None

    @property
    def offline(self) -> bool:
        """Whether the user has forbidden the network, with ``HF_HUB_OFFLINE``."""
        return os.environ.get("HF_HUB_OFFLINE", "").lower() in TRUE_WORDS

    @field_validator("quantized_file", "device_layers", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return tuple(name.strip() for name in value.split(";")) if isinstance(value, str) else value

    @field_validator("quantized_file")
    @classmethod
    def _name_files(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not all(names):
            raise ValueError("an empty file name; separate several with one ';'")
        if len({PurePath(name).suffix.lower() for name in names}) > 1:
            raise ValueError("the files have different suffixes; one model is one kind of file")
        return names

    @field_validator("device_layers")
    @classmethod
    def _know_device_layers(cls, parts: tuple[str, ...]) -> tuple[str, ...]:
        for part in parts:
            if not re.fullmatch(r"(\d{1,6}:)?\d{1,6}", part, re.ASCII):
                raise ValueError(f"{part[:40]!r} is not ORD:NUM; for example 0:16;1:16")
        return parts

    @field_validator("token_source")
    @classmethod
    def _know_token_source(cls, value: str) -> str:
        kind, colon, rest = value.partition(":")
        if value in ("cache", "none") or (kind in ("env", "path", "literal") and colon and rest):
            return value
        raise ValueError(f"must be {TOKEN_SOURCES}")  # the value may be a secret: do not repeat it

    @model_validator(mode="after")
    def _agree_on_format(self) -> Self:
        if self.quantized_file and self.format == "plain":
            raise ValueError("a quantized file cannot have the format 'plain'")
        return self
