"""Regular expressions that cut text into words before byte-pair merges, in Oniguruma's syntax.

Those that more than one kind of file needs: a tiktoken file says nothing about its expression, a GGUF file its name.
"""

from __future__ import annotations

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = (r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+")
ONE, UP_TO_THREE = r"\p{N}", r"\p{N}{1,3}"

# The splitter of GPT-2, which the byte-level step of the tokenizers library has built in.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


def any_of(*alternatives: str) -> str:
    """One expression out of several; the first that matches counts."""
    return "|".join(alternatives)


def words(digits: str) -> str:
    """The splitter of cl100k and its many descendants, which differ in how many digits make a piece."""
    return any_of(CONTRACTIONS, r"[^\r\n\p{L}\p{N}]?\p{L}+", digits, r" ?[^\s\p{L}\p{N}]+[\r\n]*", *SPACES)


def cased_words(digits: str, contractions: str) -> str:
    """The splitter of o200k and tekken: a capital within a word begins a new piece."""
    upper, lower = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
    return any_of(
        rf"[^\r\n\p{{L}}\p{{N}}]?{upper}*{lower}+{contractions}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{upper}+{lower}*{contractions}",
        digits,
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        *SPACES,
    )


O200K = cased_words(UP_TO_THREE, rf"{CONTRACTIONS}?")

_BUT_HAN = r"&&[^\p{Han}]]"
# Moonshot's: as o200k's, but words of Han characters are pieces of their own.
KIMI_K2 = any_of(
    r"\p{Han}+",
    *(
        rf"[^\r\n\p{{L}}\p{{N}}]?[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}{_BUT_HAN}{upper}"
        rf"[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}{_BUT_HAN}{lower}{CONTRACTIONS}?"
        for upper, lower in ("*+", "+*")
    ),
    UP_TO_THREE,
    r" ?[^\s\p{L}\p{N}]+[\r\n]*",
    *SPACES,
)
