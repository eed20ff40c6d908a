r"""How text is cut into words before byte-pair merges: the values of ``tokenizer.ggml.pre``.

Each name stands for the regular expressions of one family of released tokenizers. They are applied one after another,
each to the pieces the ones before left: a match becomes a piece, and so does what lies between two matches. The
expressions are those of the families' own tokenizer.json files, in Oniguruma's syntax; where a family uses ready-made
splitters (digits, punctuation), the equal expression.
"""

from __future__ import annotations

from dataclasses import dataclass

from mistralrs.textkit.patterns import (
    CONTRACTIONS,
    GPT2,
    KIMI_K2,
    O200K,
    ONE,
    SPACES,
    UP_TO_THREE,
    any_of,
    cased_words,
    words,
)


@dataclass(frozen=True, slots=True)
class PreTokenizer:
    """The expressions of a family.

    ``whole_words`` takes a word that is a token as it stands, without merging. ``add_bos`` puts the begin token before
    a text when the file does not say. ``raw`` families merge characters, not bytes, and write ``<0x0A>`` for a byte
    that is in no token; ``marked`` ones write a mark for each space, as SentencePiece does, and ``line_marks`` puts one
    before every line that does not begin with one.
    """

    patterns: tuple[str, ...]
    whole_words: bool = False
    add_bos: bool = False
    raw: bool = False
    marked: bool = False
    line_marks: bool = False


HAN_TO_HANGUL = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"

GPT2_DIGITS = (ONE, GPT2)

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
BLOOM = " ?[^(\\s|.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c)]+"
QWEN35 = any_of(
    CONTRACTIONS,
    r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",
    ONE,
    r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*",
    *SPACES,
)
BAILING = any_of(
    r"'(?i:[sdmt]|ll|ve|re)",
    r"[^\r\n\p{L}\p{N}]?+\p{L}+",
    ONE,
    r" ?[^\s\p{L}\p{N}]++[\r\n]*",
    r"\s*[\r\n]",
    *SPACES[1:],
)
SEED_CODER = any_of(CONTRACTIONS, r"[^\r\n\p{L}\p{N}]?\p{L}+", ONE, r" ?[^\s\p{L}\p{N}\r\n]+", *SPACES)
EXAONE_MOE = any_of(
    CONTRACTIONS,
    r"[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+",
    ONE,
    r" ?[^\s\p{L}\p{N}]+[\r\n/]?",
    r"\s*[\r\n]",
    *SPACES[1:],
)
UFAKZEKA = any_of(r"[^\r\n\p{L}\p{N}]?\p{L}+", ONE, r" ?[^\s\p{L}\p{N}]+[\r\n]*", *SPACES)
JAIS2 = any_of(
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

_PUNCTUATED_WORDS = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+",
    r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+",
)
CJK = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
DEEPSEEK_V3 = (UP_TO_THREE, CJK, any_of(*_PUNCTUATED_WORDS, r" ?[\p{P}\p{S}]+[\r\n]*", *SPACES))
SPARK25 = (UP_TO_THREE, CJK, any_of(*_PUNCTUATED_WORDS, r" ?[\p{P}\p{S}]+|[\r\n]", *SPACES[1:]), ONE)

# Digits in groups of three, counted from the right.
GROUPS = r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))"
AFMOE = (
    GROUPS,
    "[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u30ff\uff65-\uff9f\u2f00-\u2fdf\u0e40-\u0eff\u1780-\u17ff\u1000-\u109f"
    "\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af\u1100-\u11ff]+",
    DEEPSEEK_V3[-1],
)
YOUTU = (
    "[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c\u3001-\u303f\ufe30-\ufe4f]+"
    "|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u30ff]+",
    cased_words(ONE, rf"{CONTRACTIONS}?"),
)
CHAMELEON = (
    "<sentinel:[0-9]+>",
    "IMGIMG[A-I]{1,4}Z",
    "[\t\n]|    |  ",
    ONE,
    r"[\p{P}!-/:-@\[-`{-~]",
    GPT2,
)
K2_HORIZON = any_of(
    CONTRACTIONS,
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}\u200c\u200d]+",
    UP_TO_THREE,
    r" ?[^\s\p{L}\p{N}]+[\r\n]*",
    *SPACES,
)

MMBERT = (LINES, "\u2581?[^\u2581]+|\u2581")

_FAMILIES: tuple[tuple[PreTokenizer, str], ...] = (
    (PreTokenizer((r"[\p{P}$+<=>^~|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")), "default"),
    (
        PreTokenizer((words(UP_TO_THREE),), whole_words=True, add_bos=True),
        "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
    ),
    (PreTokenizer((words(UP_TO_THREE),)), "dbrx smaug-bpe glm4 glm5 chatglm-bpe"),
    (
        PreTokenizer((words(ONE),)),
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
        "jina-es jina-de jina-v2-es jina-v2-de jina-v1-en jina-v2-code roberta-bpe",
    ),
    (PreTokenizer((r"[\p{P}$+<=>^~|`]+", GPT2, r"[0-9][0-9][0-9]")), "falcon"),
    (PreTokenizer((O200K,)), "gpt-4o llama4 kanana2 talkie minimax-m2"),
    (PreTokenizer((O200K,), whole_words=True), "granite-embed-multi-97m"),
    (PreTokenizer((r"\d{1,3}(?=(?:\d{3})*\b)", O200K)), "tiny_aya cohere2moe"),
    (PreTokenizer((cased_words(ONE, ""),), whole_words=True, add_bos=True), "tekken"),
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
    (PreTokenizer((UP_TO_THREE, words(r"\p{N}+")), whole_words=True), "minicpm5"),
    (PreTokenizer((LINES, words(ONE))), "laguna"),
    (PreTokenizer(SPARK25), "spark2_5"),
    (PreTokenizer(YOUTU, whole_words=True), "youtu"),
    (PreTokenizer(CHAMELEON, add_bos=True), "chameleon"),
    (PreTokenizer((KIMI_K2,)), "kimi-k2"),
    (PreTokenizer((K2_HORIZON,)), "k2-horizon"),
    (PreTokenizer((GROUPS,)), "superbpe"),
    (PreTokenizer(AFMOE), "afmoe"),
    (PreTokenizer((LINES,), raw=True, marked=True, whole_words=True, add_bos=True), "gemma4 granite-embed-multi-311m"),
    (PreTokenizer((LINES,), raw=True, marked=True), "sarvam-moe"),
    (PreTokenizer(MMBERT, raw=True, marked=True, whole_words=True, line_marks=True), "mmbert"),
    (PreTokenizer((r"\S+",), raw=True), "whitespace"),
)

PRE_TOKENIZERS = {name: family for family, names in _FAMILIES for name in names.split()}
