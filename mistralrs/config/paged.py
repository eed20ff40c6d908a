"""The paged KV cache: how large it is and what it stores."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from mistralrs.config.section import Section

DEFAULT_SEQUENCES = 4
DEFAULT_CONTEXT = 8192
DEFAULT_SHARE = 0.25
"""A cache that nobody sizes holds so many sequences of at most so many tokens, within this share of free memory."""

SIZES = ("context_len", "memory_mb", "memory_fraction")


class PagedAttentionConfig(Section):
    """Size and number format of the cache.

    At most one of ``context_len`` (tokens), ``memory_mb`` (MiB) and ``memory_fraction`` (of the free memory) sets
    the size; with none of them the loader takes four sequences of ``min(context, 8192)`` tokens, within a quarter
    of the free memory. ``cache_type`` ``auto`` is what the device's kernels prefer.
    """

    mode: Literal["auto", "on"] = "auto"
    context_len: int | None = Field(default=None, ge=1)
    memory_mb: int | None = Field(default=None, ge=1)
    memory_fraction: float | None = Field(default=None, gt=0, le=1)
    block_size: Literal[8, 16, 32] = 32
    cache_type: Literal["auto", "f16", "f32"] = "auto"

    @field_validator("mode", mode="before")
    @classmethod
    def _stay_paged(cls, value: object) -> object:
        if value == "off":
            raise ValueError("'off' is not possible: the paged cache is the only cache this engine has")
        return value

    @field_validator("cache_type", mode="before")
    @classmethod
    def _know_cache_type(cls, value: object) -> object:
        if value == "f8e4m3":
            raise ValueError("'f8e4m3' is not supported yet; there is auto, f16 and f32")
        return value

    @model_validator(mode="after")
    def _size_once(self) -> Self:
        given = [name for name in SIZES if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{' and '.join(given)} both set the size of the cache; give one of them")
        return self
