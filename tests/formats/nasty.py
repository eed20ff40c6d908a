"""Texts that tokenizers trip over, and vocabularies learned from them without any splitting.

Merges that were learned across words, digits and line ends make every border that a pre-tokenizer draws visible.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise

from tokenizers import pre_tokenizers

SPECIAL = ("<s>", "</s>", "<unk>", "<tool>", "<|im_start|>")

TEXTS = (
    "",
    " ",
    "   ",
    "\n",
    "\n\n\n",
    " \n \t\r\n  x",
    "Hello, world!",
    "  leading and trailing  ",
    "I'll we've THEY'RE don't IT'S o'clock 'tis 'S",
    "camelCase HTTPServer snake_case XMLHttpRequest iPhone",
    "0 12 123 1234 12345 123456 1234567890123",
    "3.14159 1,000,000.00 0x1F -42 1e-9 \u00bd \u00b2",
    "def f(x):\n    return x**2  # comment\n\n\nclass A:\n\tpass\n",
    "if (a && b) { c[i]++; }\r\n\tx <<= 3;\r\n",
    '<p class="x">a &amp; b</p> https://example.org/a?b=c#d',
    "\u4f60\u597d\uff0c\u4e16\u754c\uff01\u6211\u6709123\u4e2a\u82f9\u679c\u3002",
    "\u3053\u3093\u306b\u3061\u306f\u4e16\u754c\u30c6\u30b9\u30c8",
    "\uc548\ub155\ud558\uc138\uc694 \uc138\uacc4",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35\u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e",
    "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645\u060c \u0661\u0662\u0663",
    "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440! \u0401\u043b\u043a\u0430",
    "t\u00eate tete\u0301 na\u00efve \u00c5ngstr\u00f6m \ufb01n \u0130stanbul \u00df",
    "\U0001f600\U0001f680 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea"
    " \U0001f44d\U0001f3fd \u2764\ufe0f",
    "zero\u200bwidth\u200djoiner\u200cnon \u00a0nbsp \u3000wide",
    "\u2026 \u2014 \u201cquoted\u201d \u00abx\u00bb \u20ac100 \u00a9\u00ae\u2122 \u221e\u2260",
    "<|im_start|>user\n<s>[INST] <unk> <|endoftext|> </s> <tool",
    "a\x00b\x07c\x7f",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!!!!!!!!!!!!????",
    "--- *** ___ === +++ ||| ~~~ $$$ ^^^ ``` \\\\\\",
    "\U0001d49c\U0001d4b7 \U00010400 \u2c60 \ua722 \u01c5",
)


@cache
def byte_pairs(merges: int = 450) -> tuple[list[str], list[str]]:
    """Tokens and merges over GPT-2's alphabet."""
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str
    words = [[*word] for text in TEXTS for word, _ in split(text)]
    return _learned(words, sorted(pre_tokenizers.ByteLevel.alphabet()), merges)


@cache
def character_pairs(merges: int = 300) -> tuple[list[str], list[str]]:
    """Tokens and merges over characters, with marked spaces; some characters are in no token.

    llama.cpp gives up on line ends that have to be merged, so they are tokens as they are.
    """
    lines = [line for text in TEXTS for line in text.replace(" ", "\u2581").split("\n")]
    chars = [char for place, char in enumerate(sorted(set("".join(lines)))) if " " < char < "\x80" or place % 5]
    tokens, learned = _learned([[*line] for line in lines], chars, merges)
    return [*tokens, "\n", "\n\n", "\n\n\n"], learned


def _learned(words: list[list[str]], alphabet: list[str], count: int) -> tuple[list[str], list[str]]:
    """The most frequent pairs, one after another; of equally frequent ones the first in the alphabet."""
    tokens, merges = list(alphabet), []
    known = set(tokens)
    for _ in range(count):
        pairs = Counter(pair for word in words for pair in pairwise(word) if set(pair) <= known)
        pairs = Counter({pair: number for pair, number in pairs.items() if "".join(pair) not in SPECIAL})
        left, right = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(f"{left} {right}")
        if left + right not in known:
            tokens.append(left + right)
            known.add(left + right)
        words = [_joined(word, left, right) for word in words]
    return tokens, merges


def _joined(word: list[str], left: str, right: str) -> list[str]:
    found: list[str] = []
    for piece in word:
        if piece == right and found and found[-1] == left:
            found[-1] = left + right
        else:
            found.append(piece)
    return found
