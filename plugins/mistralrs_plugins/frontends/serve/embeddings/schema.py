"""The bodies of ``/v1/embeddings``, ``/v1/rerank`` and ``/v1/score``."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, StrictBool, StrictInt, StrictStr, field_validator, model_validator

from mistralrs.api.openai.fields import MAX_LABEL_CHARS, bad_field, not_supported, texts_or_ids
from mistralrs.api.requests import RequestModel

MAX_INPUTS = 2048
Prompt = str | tuple[int, ...]


class TextsBody(RequestModel):
    """What these routes share. ``truncate_sequence`` reads as much of a text as fits, instead of refusing it."""

    model: StrictStr | None = None
    truncate_sequence: StrictBool = False
    user: StrictStr | None = Field(default=None, max_length=MAX_LABEL_CHARS)


class EmbeddingsBody(TextsBody):
    """``POST /v1/embeddings``. The input is a text or token ids, or several of them."""

    input: StrictStr | tuple[Any, ...]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: StrictInt | None = Field(default=None, ge=1)

    def prompts(self) -> list[Prompt]:
        """The texts. Raises :class:`RequestError` for one that is neither a text nor token ids."""
        return texts_or_ids(self.input, "input", MAX_INPUTS)

    @model_validator(mode="after")
    def _read_prompts(self) -> Self:
        self.prompts()
        return self


class RerankBody(TextsBody):
    """``POST /v1/rerank``, as Cohere and Jina have it."""

    query: StrictStr
    documents: tuple[StrictStr, ...] = Field(min_length=1, max_length=MAX_INPUTS)
    top_n: StrictInt | None = Field(default=None, ge=1)
    return_documents: StrictBool = False

    @field_validator("documents", mode="before")
    @classmethod
    def _read_documents(cls, value: object) -> object:
        if not isinstance(value, list):
            return value
        for index, item in enumerate(value):
            if isinstance(item, dict) and not isinstance(item.get("text"), str):
                raise not_supported(f"documents.{index}", "a document that is not a text")
        return [item["text"] if isinstance(item, dict) else item for item in value]


class ScoreBody(TextsBody):
    """``POST /v1/score``: one text with several others, or as many with as many."""

    text_1: StrictStr | tuple[StrictStr, ...]
    text_2: StrictStr | tuple[StrictStr, ...]

    def pairs(self) -> list[tuple[str, str]]:
        """What is scored. Raises :class:`RequestError` for texts that do not pair up."""
        firsts = (self.text_1,) if isinstance(self.text_1, str) else self.text_1
        seconds = (self.text_2,) if isinstance(self.text_2, str) else self.text_2
        if len(firsts) == 1:
            firsts = firsts * len(seconds)
        if not 0 < len(seconds) <= MAX_INPUTS:
            raise bad_field("text_2", f"takes 1 to {MAX_INPUTS} texts, not {len(seconds)}")
        if len(firsts) != len(seconds):
            raise bad_field("text_1", f"must be one text, or as many as text_2, which are {len(seconds)}")
        return list(zip(firsts, seconds, strict=True))

    @model_validator(mode="after")
    def _pair_up(self) -> Self:
        self.pairs()
        return self
