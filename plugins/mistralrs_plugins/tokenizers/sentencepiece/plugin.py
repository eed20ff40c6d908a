"""SentencePiece: the declaration."""

from __future__ import annotations

from collections.abc import Iterator

from mistralrs.plugin import Ref, TokenizerSpec, hookimpl

MISTRALRS_API = "1.0"


@hookimpl
def mistralrs_register_tokenizers() -> Iterator[TokenizerSpec]:
    """Declare the kind of file."""
    yield TokenizerSpec(
        name="sentencepiece",
        summary="SentencePiece models, byte-pair and unigram",
        files=("tokenizer.model", "tokenizer.model.v*", "*.model.v*", "spiece.model", "sentencepiece.bpe.model"),
        suffixes=(".model",),
        priority=-20,
        opener=Ref("mistralrs_plugins.tokenizers.sentencepiece.reader:open_tokenizer"),
    )
