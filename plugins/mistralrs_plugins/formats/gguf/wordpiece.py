"""BERT's vocabularies in GGUF: a mark begins a word, what has none continues one, and brackets are kept as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from mistralrs.textkit.pieces import SPACE_MARK
from mistralrs.textkit.special import CONTROL, add_by_kind, surround
from mistralrs_plugins.formats.gguf.vocabulary import PREFIX, TOKENS, Defaults, flag, read_vocabulary

CONTINUES = "##"
# Longer words are unknown, as in BERT's own tokenizer.
MAX_WORD_CHARS = 100


def word_pieces(metadata: Mapping[str, Any], file: str) -> Tokenizer:
    """Takes the longest piece a word begins with, again and again; a word with a rest is unknown as a whole."""
    vocabulary = read_vocabulary(metadata, file, Defaults(bos=101, unk=100, sep=102))
    for role, number in (("unknown", vocabulary.unk), ("bos", vocabulary.bos), ("seperator", vocabulary.sep)):
        if number is None:
            vocabulary.fail(f"{PREFIX}{role}_token_id", "missing, but a WordPiece vocabulary needs it")
    lowercase = flag(metadata, "normalizer.lowercase", True, file)
    accents = flag(metadata, "normalizer.strip_accents", lowercase, file)
    roles = (vocabulary.unk, vocabulary.bos, vocabulary.sep)
    kinds = [CONTROL if number in roles else kind for number, kind in enumerate(vocabulary.kinds)]
    texts = [_plain(token, kind == CONTROL) for token, kind in zip(vocabulary.tokens, kinds, strict=True)]
    index = {text: number for number, text in enumerate(texts)}
    if len(index) != len(texts):
        vocabulary.fail(TOKENS, "two tokens stand for the same piece")
    unknown = texts[vocabulary.unk or 0]
    tokenizer = Tokenizer(models.WordPiece(index, unk_token=unknown, max_input_chars_per_word=MAX_WORD_CHARS))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=accents)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(CONTINUES)
    add_by_kind(tokenizer, texts, kinds)
    surround(tokenizer, vocabulary.bos, vocabulary.sep)
    return tokenizer


def _plain(token: str, special: bool) -> str:
    """The token as BERT's own vocabulary writes it."""
    if special or (len(token) > 2 and token[0] == "[" and token[-1] == "]"):
        return token
    return token[1:] if token.startswith(SPACE_MARK) and len(token) > 1 else CONTINUES + token
