"""Every tokenizer model and pre-tokenizer name gives llama.cpp's ids, over vocabularies that show any difference."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mistralrs_plugins.formats.gguf.checkpoint import GgufCheckpoint
from mistralrs_plugins.formats.gguf.pretokenizers import PRE_TOKENIZERS
from tests.formats.llamacpp_tokens import LlamaCppTokenizer, write_model
from tests.formats.nasty import TEXTS
from tests.formats.vocabularies import byte_level, characters, sentence_pieces, unigram, word_pieces

# Every name that llama.cpp (xllamacpp 2026.10.11549) accepts.
KNOWN = re.findall(
    r"\S+",
    """
    default minicpm5 llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano deepseek-llm
    deepseek-coder deepseek-v3 spark2_5 youtu falcon mpt starcoder gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es
    jina-v2-de a.x-4.0 mellum modern-bert jais-2 gemma4 granite-embed-multi-311m mmbert sarvam-moe jina-v1-en
    jina-v2-code roberta-bpe whitespace refact command-r qwen2 deepseek-r1-qwen kormo f2llmv2 qwen35 stablelm2 olmo
    dbrx smaug-bpe poro-chat glm4 glm5 chatglm-bpe viking jais tekken smollm codeshell bloom gpt3-finnish exaone
    exaone4 exaone-moe chameleon minerva-7b megrez gpt-4o llama4 kanana2 talkie granite-embed-multi-97m tiny_aya
    cohere2moe superbpe trillion granite-docling bailingmoe bailingmoe2 llada-moe seed-coder hunyuan hunyuan-dense
    hy_v4 joyai-llm kimi-k2 ufakzeka grok-2 afmoe laguna minimax-m2 solar-open mellum2 k2-horizon
""",
)

# Where llama.cpp approximates the family's own expression, which is what we use: it has no classes of letters by case
# in some (so "iPhone" is one word, and a combining mark ends one), takes runs of digits where DeepSeek takes single
# ones, knows fewer kinds of blanks, and not all letters of Unicode.
CASE = {"camelCase HTTPServer snake_case XMLHttpRequest iPhone"}
MARKS = {text for text in TEXTS if any(char in text for char in "\u0e31\u094d\u0301")}
DIGITS = {text for text in TEXTS if any(char in text for char in "14\u0661")}
LETTERS = {text for text in TEXTS if "\u01c5" in text or "\u0401" in text}
BLANKS = {text for text in TEXTS if "\u3000" in text}
DEPARTURES = {
    **dict.fromkeys(("gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2", "tekken"), MARKS),
    **dict.fromkeys(("tiny_aya", "cohere2moe", "youtu"), CASE),
    "kimi-k2": MARKS | CASE,
    "deepseek-llm": DIGITS | LETTERS | BLANKS,
    "deepseek-coder": BLANKS,
    "afmoe": LETTERS,
}


def compare(path: Path, keys: dict[str, Any], departures: set[str]) -> None:
    model = write_model(path / "model.gguf", keys)
    ours, theirs = GgufCheckpoint([model]).tokenizer(), LlamaCppTokenizer(model)
    assert ours is not None
    for text in TEXTS:
        if text in departures:
            continue
        for special in (False, True):
            expected = theirs.encode(text, special=special)
            found = ours.encode(text, add_special_tokens=special).ids
            assert [*map(ours.id_to_token, found)] == [*map(ours.id_to_token, expected)], ascii(text)


def test_every_name_is_known() -> None:
    assert PRE_TOKENIZERS.keys() == set(KNOWN)


# llama.cpp itself aborts on two blanks in a row under the name "whitespace".
@pytest.mark.parametrize("pre", [name for name in KNOWN if name != "whitespace"])
def test_pre_tokenizers_cut_as_llama_cpp_does(pre: str, tmp_path: Path) -> None:
    departures = DEPARTURES.get(pre, set())
    assert len(departures) < len(TEXTS) / 2
    compare(tmp_path, (characters if PRE_TOKENIZERS[pre].raw else byte_level)(pre), departures)


MODELS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "gemma4": (characters(model="gemma4"), set()),
    "llama": (sentence_pieces(), set()),
    "llama without space": (sentence_pieces(add_space_prefix=False), set()),
    "llama with eos": (sentence_pieces(add_bos_token=False, add_eos_token=True), set()),
    # It keeps the first part only of a syllable that normalization takes apart, and takes all marks for accents.
    "bert": (word_pieces(), {text for text in TEXTS if "\uc548" in text or "\u093f" in text}),
    "bert with case": (word_pieces(**{"normalizer.lowercase": False}), set()),
    # It makes one letter of a capital whose small form has two.
    "bert with accents": (
        word_pieces(**{"normalizer.strip_accents": False}),
        {text for text in TEXTS if "\u0130" in text},
    ),
    "t5": (unigram(), set()),
    # It puts no space before nothing but spaces, which SentencePiece does; and the tokenizers library, which normalizes
    # by grapheme, makes one space of a line's end in two characters.
    "t5 with all spaces": (
        unigram(remove_extra_whitespaces=False),
        {text for text in TEXTS if text.isspace() or "\r\n" in text},
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_encode_as_llama_cpp_does(name: str, tmp_path: Path) -> None:
    compare(tmp_path, *MODELS[name])
