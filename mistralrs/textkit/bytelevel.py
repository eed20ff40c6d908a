"""Byte-level byte-pair encoding over tokens given as bytes, each by its rank: tiktoken's and Mistral's files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from mistralrs.textkit.merges import implied_merges

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@cache
def byte_alphabet() -> dict[int, str]:
    """GPT-2's alphabet by byte: printable bytes stand for themselves, the others for the characters from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def from_ranks(ranked: Sequence[bytes], pattern: str, *, before: Sequence[str] = ()) -> Tokenizer:
    """A tokenizer that cuts text by ``pattern`` and joins bytes by rank.

    ``ranked`` are the tokens in the order of their ranks, all different and with every single byte among them.
    ``before`` are texts whose ids come before theirs; they are matched only once they are added as special tokens.
    Raises ValueError for a pattern that does not compile.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

    alphabet = byte_alphabet()
    ranks = {token.decode("latin-1").translate(alphabet): rank for rank, token in enumerate(ranked)}
    first = len(before)
    vocabulary = {text: number for number, text in enumerate(before)}
    vocabulary |= {text: first + rank for text, rank in ranks.items()}
    try:
        splitter = pre_tokenizers.Split(Regex(pattern), "isolated")
    except Exception:  # the library raises it bare
        raise ValueError("the pattern is no regular expression") from None
    # A word that is a token as it stands is taken before anything is merged.
    tokenizer = Tokenizer(models.BPE(vocabulary, implied_merges(ranks, ranks), ignore_merges=True))
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([splitter, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
