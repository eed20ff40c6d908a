r"""How text is cut into words before byte-pair merges: the values of ``tokenizer.ggml.pre``.

Each name stands for the regular expressions of one family of released tokenizers. They are applied one after another,
each to the pieces the ones before left: a match becomes a piece, and so does what lies between two matches. The
expressions are those of the families' own tokenizer.json files, in Oniguruma's syntax; where a family uses ready-made
splitters (digits, punctuation), the equal expression.
"""

from __future__ import annotations

from dataclasses import dataclass

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACES = (r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+")

# The splitter of GPT-2, which the byte-level step of the tokenizers library has built in.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"


@dataclass(frozen=True, slots=True)
class PreTokenizer:
    """The expressions of a family.

    ``whole_words`` takes a word that is a token as it stands, without merging. ``add_bos`` puts the begin token before
    a text when the file does not say.
    """

    patterns: tuple[str, ...]
    whole_words: bool = False
    add_bos: bool = False


def _any_of(*alternatives: str) -> str:
    return "|".join(alternatives)


def _words(digits: str) -> str:
    """The splitter of cl100k and its many descendants, which differ in how many digits make a piece."""
    return _any_of(CONTRACTIONS, r"[^\r\n\p{L}\p{N}]?\p{L}+", digits, r" ?[^\s\p{L}\p{N}]+[\r\n]*", *SPACES)


def _cased_words(digits: str, contractions: str) -> str:
    """The splitter of o200k and tekken: a capital within a word begins a new piece."""
    upper, lower = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
    return _any_of(
        rf"[^\r\n\p{{L}}\p{{N}}]?{upper}*{lower}+{contractions}",
        rf"[^\r\n\p{{L}}\p{{N}}]?{upper}+{lower}*{contractions}",
        digits,
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        *SPACES,
    )


ONE, UP_TO_THREE = r"\p{N}", r"\p{N}{1,3}"
HAN_TO_HANGUL = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"

GPT2_DIGITS = (ONE, GPT2)
O200K = _cased_words(UP_TO_THREE, rf"{CONTRACTIONS}?")

# Cased letters, less the blocks that the released list leaves out.
_DEEPSEEK_LETTERS = (
    "[\\p{Lu}\\p{Ll}\\p{Lt}&&[^\u2d00-\u2d2d\ua790-\ua7fa\uab30-\uab68\U00010570-\U000105bc"
    "\U00016e40-\U00016e7f\U0001d400-\U0001d7cb\U0001df00-\U0001df1e]]"
)
DEEPSEEK_LLM = (
    r"[\r\n]",
    rf"\s?{_DEEPSEEK_LETTERS}+",
    "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
    r"\s+$",
    HAN_TO_HANGUL,
    ONE,
)
DEEPSEEK_CODER = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", HAN_TO_HANGUL, ONE)
DEEPSEEK_V3 = (
    UP_TO_THREE,
    "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
    _any_of(
        r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+",
        r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+",
        r" ?[\p{P}\p{S}]+[\r\n]*",
        *SPACES,
    ),
)
BLOOM = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
QWEN35 = _any_of(
    CONTRACTIONS,
    r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",
    ONE,
    r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*",
    *SPACES,
)
BAILING = _any_of(
    r"'(?i:[sdmt]|ll|ve|re)",
    r"[^\r\n\p{L}\p{N}]?+\p{L}+",
    ONE,
    r" ?[^\s\p{L}\p{N}]++[\r\n]*",
    r"\s*[\r\n]",
    *SPACES[1:],
)
SEED_CODER = _any_of(CONTRACTIONS, r"[^\r\n\p{L}\p{N}]?\p{L}+", ONE, r" ?[^\s\p{L}\p{N}\r\n]+", *SPACES)
EXAONE_MOE = _any_of(
    CONTRACTIONS,
    r"[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+",
    ONE,
    r" ?[^\s\p{L}\p{N}]+[\r\n/]?",
    r"\s*[\r\n]",
    *SPACES[1:],
)
UFAKZEKA = _any_of(r"[^\r\n\p{L}\p{N}]?\p{L}+", ONE, r" ?[^\s\p{L}\p{N}]+[\r\n]*", *SPACES)
JAIS2 = _any_of(
    CONTRACTIONS,
    r"[^\r\n\p{L}\p{N}]?\p{L}+",
    UP_TO_THREE,
    r" ?[^\s\p{L}\p{N}]+[\r\n]*",
    SPACES[0],
    *(rf"\s{{{run}}}(?!\S)" for run in (512, 256, 128, 64, 32, 16, 8, 4)),
    r"\s{1,2}(?!\S)",
    r"\s{1}",
)
LINES = r"[^\n]+|[\n]+"

_FAMILIES: tuple[tuple[PreTokenizer, str], ...] = (
    (PreTokenizer((r"[\p{P}$+<=>^~|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")), "default"),
    (
        PreTokenizer((_words(UP_TO_THREE),), whole_words=True, add_bos=True),
        "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
    ),
    (PreTokenizer((_words(UP_TO_THREE),)), "dbrx smaug-bpe glm4 chatglm-bpe"),
    (
        PreTokenizer((_words(ONE),)),
        "qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2",
    ),
    (PreTokenizer((QWEN35,)), "qwen35"),
    (
        PreTokenizer(GPT2_DIGITS),
        "starcoder refact command-r smollm codeshell exaone minerva-7b mellum2",
    ),
    (
        PreTokenizer((GPT2,)),
        "gpt-2 phi-2 mpt olmo jais trillion granite-docling exaone4 gigachat a.x-4.0 mellum modern-bert "
        "jina-es jina-de jina-v2-es jina-v2-de",
    ),
    (PreTokenizer((r"[\p{P}$+<=>^~|`]+", GPT2, r"[0-9][0-9][0-9]")), "falcon"),
    (PreTokenizer((O200K,)), "gpt-4o llama4 kanana2 talkie minimax-m2"),
    (PreTokenizer((O200K,), whole_words=True), "granite-embed-multi-97m"),
    (PreTokenizer((r"\d{1,3}(?=(?:\d{3})*\b)", O200K)), "tiny_aya cohere2moe"),
    (PreTokenizer((_cased_words(ONE, ""),), whole_words=True, add_bos=True), "tekken"),
    (PreTokenizer(DEEPSEEK_LLM), "deepseek-llm"),
    (PreTokenizer(DEEPSEEK_CODER), "deepseek-coder"),
    (PreTokenizer(DEEPSEEK_V3), "deepseek-v3 hunyuan-dense joyai-llm hy_v4"),
    (PreTokenizer((BLOOM,)), "bloom poro-chat gpt3-finnish"),
    (PreTokenizer((BLOOM, ONE)), "viking"),
    (PreTokenizer((BAILING,)), "bailingmoe bailingmoe2 llada-moe"),
    (PreTokenizer((SEED_CODER,)), "seed-coder"),
    (PreTokenizer((EXAONE_MOE,)), "exaone-moe"),
    (PreTokenizer((UFAKZEKA,)), "ufakzeka"),
    (PreTokenizer((JAIS2,)), "jais-2"),
    (PreTokenizer((UP_TO_THREE, _words(r"\p{N}+")), whole_words=True), "minicpm5"),
    (PreTokenizer((LINES, _words(ONE))), "laguna"),
)

PRE_TOKENIZERS = {name: family for family, names in _FAMILIES for name in names.split()}
