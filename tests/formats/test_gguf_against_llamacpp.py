"""Every tokenizer model and pre-tokenizer name gives llama.cpp's ids, over vocabularies that show any difference."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from llamacpp_tokens import LlamaCppTokenizer, write_model
from nasty import TEXTS, byte_pairs, character_pairs
from tokenizers import normalizers, pre_tokenizers

from mistralrs_plugins.formats.gguf.checkpoint import GgufCheckpoint
from mistralrs_plugins.formats.gguf.pretokenizers import PRE_TOKENIZERS

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
BYTES = [f"<0x{value:02X}>" for value in range(256)]

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


def byte_level(pre: str) -> dict[str, Any]:
    tokens, merges = byte_pairs()
    size = len(tokens)
    return {
        "model": "gpt2",
        "pre": pre,
        "tokens": [*tokens, "<s>", "</s>", "<|im_start|>", "<tool>"],
        "token_type": [NORMAL] * size + [CONTROL] * 3 + [USER_DEFINED],
        "merges": merges,
        "bos_token_id": size,
        "eos_token_id": size + 1,
    }


def characters(pre: str = "gemma4", model: str = "gpt2") -> dict[str, Any]:
    tokens, merges = character_pairs()
    return {
        "model": model,
        "pre": pre,
        "tokens": ["<unk>", "<s>", "</s>", "<|im_start|>", *BYTES, *tokens],
        "token_type": [UNKNOWN] + [CONTROL] * 3 + [BYTE] * 256 + [NORMAL] * len(tokens),
        "merges": merges,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }


def sentence_pieces(**changes: Any) -> dict[str, Any]:
    tokens, _ = character_pairs()
    return {
        "model": "llama",
        "tokens": ["<unk>", "<s>", "</s>", *BYTES, *tokens, "<tool>"],
        "token_type": [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * len(tokens) + [USER_DEFINED],
        "scores": [0.0] * 259 + [-float(rank) for rank in range(len(tokens))] + [0.0],
        **changes,
    }


def unigram(**changes: Any) -> dict[str, Any]:
    from mistralrs_plugins.tokenizers.sentencepiece.model import parse_model

    trained = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text for text in TEXTS if text.strip() and "\0" not in text] * 3),
        model_writer=trained,
        model_type="unigram",
        vocab_size=300,
        character_coverage=0.98,
        hard_vocab_limit=False,
        user_defined_symbols=["<tool>"],
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=9,
    )
    parsed = parse_model(trained.getvalue(), "trained")
    return {
        "model": "t5",
        "tokens": list(parsed.tokens),
        "scores": list(parsed.scores),
        "token_type": list(parsed.kinds),
        "precompiled_charsmap": parsed.charsmap,
        "remove_extra_whitespaces": True,
        "add_space_prefix": True,
        **changes,
    }


def word_pieces(**changes: Any) -> dict[str, Any]:
    normalizer = normalizers.BertNormalizer(lowercase=changes.get("normalizer.lowercase", True))
    cut = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    found = {word for text in TEXTS for word, _ in cut(normalizer.normalize_str(text))}
    chars = sorted({char for word in found for char in word})
    pieces = {word[:3] for word in found} | {f"##{word[3:]}" for word in found if len(word) > 3}
    # Some characters are left out, so that some words are unknown.
    pieces |= {piece for place, char in enumerate(chars) if place % 9 for piece in (char, f"##{char}")}
    special = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *sorted(pieces)]
    marked = [word[2:] if word.startswith("##") else word if word in special else f"\u2581{word}" for word in words]
    return {
        "model": "bert",
        "tokens": marked,
        "token_type": [CONTROL if word in special[2:] else NORMAL for word in words],
        "unknown_token_id": 2,
        "bos_token_id": 3,
        "seperator_token_id": 4,
        "padding_token_id": 0,
        "mask_token_id": 5,
        **changes,
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
