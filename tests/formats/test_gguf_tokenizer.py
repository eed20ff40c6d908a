"""Tokenizers made from GGUF metadata: equal to llama.cpp's where it was asked, refused where they make no sense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from mistralrs.errors import ModelFormatError
from mistralrs_plugins.formats.gguf.checkpoint import GgufCheckpoint
from mistralrs_plugins.formats.gguf.pretokenizers import PRE_TOKENIZERS
from mistralrs_plugins.formats.gguf.tokenizer import build_tokenizer

# Made with llama.cpp's tokenizer (xllamacpp 2026.10.11549, special tokens parsed) from SmolLM2's vocabulary. `smollm`
# lists the ids of every text, the other pre-tokenizers those that differ, by the text's index.
EXPECTED: dict[str, Any] = json.loads(Path(__file__).with_name("data").joinpath("smollm2_ids.json").read_text("ascii"))

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
KEY = "tokenizer.ggml."
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6


def byte_level(**changes: Any) -> dict[str, Any]:
    """Metadata of a byte-level vocabulary: all bytes, a few merges, two control tokens and a user-defined one."""
    merges = ["h e", "l l", "he ll", "hell o"]
    tokens = [*BYTES, *(merge.replace(" ", "") for merge in merges), "<s>", "</s>", "<tool>"]
    kinds = [NORMAL] * (len(tokens) - 3) + [CONTROL, CONTROL, USER_DEFINED]
    found = {
        "model": "gpt2",
        "pre": "gpt-2",
        "tokens": tokens,
        "token_type": kinds,
        "merges": merges,
        "bos_token_id": tokens.index("<s>"),
        "eos_token_id": tokens.index("</s>"),
        **changes,
    }
    return {KEY + name: value for name, value in found.items() if value is not None}


def sentence_piece(**changes: Any) -> dict[str, Any]:
    """Metadata of a SentencePiece vocabulary with byte tokens."""
    pieces = {"\u2581": -9.0, "h": -9.0, "i": -9.0, "hi": -2.0, "\u2581hi": -1.0, "t": -9.0, "it": -3.0, "<": -9.0}
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{value:02X}>" for value in range(256)), *pieces, "<x>"]
    found = {
        "model": "llama",
        "tokens": tokens,
        "scores": [0.0] * 259 + list(pieces.values()) + [0.0],
        "token_type": [UNKNOWN, CONTROL, CONTROL] + [BYTE] * 256 + [NORMAL] * len(pieces) + [USER_DEFINED],
        **changes,
    }
    return {KEY + name: value for name, value in found.items() if value is not None}


def build(metadata: dict[str, Any]) -> Tokenizer:
    return build_tokenizer(metadata, "model.gguf")


def pieces(tokenizer: Tokenizer, text: str, *, special: bool = True) -> list[str]:
    return tokenizer.encode(text, add_special_tokens=special).tokens


@pytest.fixture(scope="module")
def real(smollm2_gguf: Path) -> GgufCheckpoint:
    return GgufCheckpoint([smollm2_gguf])


def test_the_real_file_is_described(real: GgufCheckpoint) -> None:
    assert real.architecture == "gguf:llama"
    assert len(real.tensors) == 272
    assert real.metadata["llama.block_count"] == 30
    assert real.tensors["token_embd.weight"].shape == (49152, 576)
    assert {info.layout.name for info in real.tensors.values()} == {"q4_1", "q8_0", "f32"}
    assert real.special_ids() == {"bos": 1, "eos": 2, "unk": 0, "pad": 2}
    assert "<|im_start|>" in real.chat_templates()["default"]


@pytest.mark.parametrize("pre", EXPECTED["ids"])
def test_ids_equal_those_of_llama_cpp(real: GgufCheckpoint, pre: str) -> None:
    tokenizer = build({**real.metadata, KEY + "pre": pre})
    expected = dict(enumerate(EXPECTED["ids"]["smollm"]))
    if pre != "smollm":
        expected |= {int(number): ids for number, ids in EXPECTED["ids"][pre].items()}
    for number, text in enumerate(EXPECTED["texts"]):
        assert tokenizer.encode(text, add_special_tokens=False).ids == expected[number], ascii(text)


def test_decoding_gives_the_text_back(real: GgufCheckpoint) -> None:
    tokenizer = real.tokenizer()
    assert tokenizer is not None
    for text in EXPECTED["texts"]:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_every_family_compiles_and_keeps_the_text() -> None:
    text = "Hello, hello! I'LL go\u2026 \u4f60\u597d 12345 x=1;\n\n\tif  (a):  "
    for pre, family in PRE_TOKENIZERS.items():
        if family.raw:  # over characters, not bytes: see test_gguf_against_llamacpp
            continue
        tokenizer = build(byte_level(pre=pre))
        assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids) == text, pre


def test_digits_are_cut_as_the_family_says() -> None:
    def cut(pre: str) -> list[str]:
        tokenizer = build(byte_level(pre=pre))
        assert isinstance(tokenizer.pre_tokenizer, pre_tokenizers.Sequence)
        return [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str("v1234567 camelCase'll")]

    assert cut("llama-bpe") == ["v", "123", "456", "7", "\u0120camelCase", "'ll"]
    assert cut("qwen2") == ["v", *"1234567", "\u0120camelCase", "'ll"]
    assert cut("gpt-2") == ["v", "1234567", "\u0120camelCase", "'ll"]
    assert cut("gpt-4o") == ["v", "123", "456", "7", "\u0120camel", "Case'll"]
    assert cut("tekken") == ["v", *"1234567", "\u0120camel", "Case", "'ll"]
    assert cut("deepseek-v3") == ["v", "123", "456", "7", "\u0120camelCase", "'ll"]
    assert cut("tiny_aya") == ["v", "1", "234", "567", "\u0120camel", "Case'll"]


@pytest.mark.parametrize(
    ("add_bos", "add_eos", "expected"),
    [
        (False, False, ["hello"]),
        (True, False, ["<s>", "hello"]),
        (True, True, ["<s>", "hello", "</s>"]),
        (None, None, ["hello"]),
    ],
)
def test_begin_and_end_tokens_are_added_as_the_file_says(
    add_bos: bool | None, add_eos: bool | None, expected: list[str]
) -> None:
    tokenizer = build(byte_level(add_bos_token=add_bos, add_eos_token=add_eos))
    assert pieces(tokenizer, "hello") == expected
    assert pieces(tokenizer, "hello", special=False) == ["hello"]


def test_some_families_add_the_begin_token_unasked() -> None:
    assert pieces(build(byte_level(pre="llama-bpe")), "hello") == ["<s>", "hello"]
    assert pieces(build(byte_level(pre="llama-bpe", add_bos_token=False)), "hello") == ["hello"]


def test_a_begin_token_may_have_any_text() -> None:
    odd = "$A:1 {x}"
    metadata = byte_level(add_bos_token=True)
    metadata[KEY + "tokens"][metadata[KEY + "bos_token_id"]] = odd
    assert pieces(build(metadata), "hello") == [odd, "hello"]


def test_control_tokens_are_special_and_user_defined_are_not() -> None:
    tokenizer = build(byte_level())
    ids = tokenizer.encode("<s>hello<tool></s>").ids
    assert [tokenizer.id_to_token(number) for number in ids] == ["<s>", "hello", "<tool>", "</s>"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "hello<tool>"


def test_marks_of_a_turns_end_are_control_tokens_whatever_the_file_says() -> None:
    metadata = byte_level()
    metadata[KEY + "tokens"][-1] = "<|im_end|>"
    assert build(metadata).get_added_tokens_decoder()[len(metadata[KEY + "tokens"]) - 1].special


def test_whole_words_skip_the_merges() -> None:
    metadata = byte_level()
    metadata[KEY + "tokens"].append("xyz")
    metadata[KEY + "token_type"].append(NORMAL)
    assert pieces(build(metadata), "xyz", special=False) == ["x", "y", "z"]
    assert pieces(build({**metadata, KEY + "pre": "llama-bpe"}), "xyz", special=False) == ["xyz"]


def test_sentence_piece_merges_by_score() -> None:
    tokenizer = build(sentence_piece())
    assert pieces(tokenizer, "hi") == ["<s>", "\u2581hi"]
    assert pieces(tokenizer, "hit", special=False) == ["\u2581hi", "t"]
    assert pieces(tokenizer, "it hi", special=False) == ["\u2581", "it", "\u2581hi"]
    assert tokenizer.decode(tokenizer.encode("hit it", add_special_tokens=False).ids) == "hit it"


def test_sentence_piece_falls_back_to_bytes() -> None:
    tokenizer = build(sentence_piece())
    assert pieces(tokenizer, "h\u00e9", special=False) == ["\u2581", "h", "<0xC3>", "<0xA9>"]
    assert tokenizer.decode(tokenizer.encode("h\u00e9\U0001f600").ids) == "h\u00e9\U0001f600"


def test_the_space_in_front_is_added_as_the_file_says() -> None:
    tokenizer = build(sentence_piece(add_space_prefix=False, add_bos_token=False))
    assert pieces(tokenizer, "hi") == ["hi"]
    assert tokenizer.decode(tokenizer.encode(" hi").ids) == " hi"


def test_text_does_not_become_a_control_token_by_merging() -> None:
    metadata = sentence_piece()
    metadata[KEY + "tokens"] += ["<h", ">", "<h>"]
    metadata[KEY + "scores"] += [-1.0, -9.0, -0.5]
    metadata[KEY + "token_type"] += [NORMAL, NORMAL, CONTROL]
    tokenizer = build(metadata)
    tokenizer.encode_special_tokens = True
    assert pieces(tokenizer, "<h>", special=False) == ["\u2581", "<h", ">"]


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "model": (
        byte_level(model="rwkv"),
        "model",
        "tokenizer model 'rwkv' is not supported .*gpt2, llama, t5, bert, gemma4",
    ),
    "model type": (byte_level(model=3), "model", "tokenizer model 3 is not supported"),
    "pre": (byte_level(pre="nonesuch"), "pre", "pre-tokenizer 'nonesuch' is not known .*llama-bpe.*smollm"),
    "pre type": (byte_level(pre=[1]), "pre", r"pre-tokenizer \[1\] is not known"),
    "tokens are numbers": (byte_level(tokens=[1, 2]), "tokens", "must be an array of str"),
    "tokens are a text": (byte_level(tokens="abc"), "tokens", "must be an array of str"),
    "token given twice": (byte_level(tokens=["a", "b", "a"]), "tokens", "the token 'a' is given twice"),
    "token types too short": (byte_level(token_type=[1, 1]), "token_type", "has 2 entries for 263 tokens"),
    "token types are floats": (byte_level(token_type=[1.0] * 263), "token_type", "must be an array of int"),
    "token types are flags": (byte_level(token_type=[True] * 263), "token_type", "must be an array of int"),
    "scores are texts": (sentence_piece(scores=["a"] * 268), "scores", "must be an array of float or int"),
    "scores too long": (sentence_piece(scores=[0.0] * 999), "scores", "has 999 entries for 268 tokens"),
    "scores missing": (sentence_piece(scores=None), "scores", "missing"),
    "score is NaN": (sentence_piece(scores=[float("nan")] * 268), "scores", "a score is not a finite number"),
    "merges missing": (byte_level(merges=None), "merges", "missing"),
    "merges are numbers": (byte_level(merges=[1]), "merges", "must be an array of str"),
    "merge of one": (byte_level(merges=["he"]), "merges", "merge 0, 'he', is not a pair of texts"),
    "merge of three": (byte_level(merges=["h e", "h e l"]), "merges", "merge 1, 'h e l', is not a pair"),
    "merge of nothing": (byte_level(merges=["h "]), "merges", "merge 0, 'h ', is not a pair"),
    "merge without token": (
        byte_level(merges=["h e", "h h"]),
        "merges",
        r"merge 1, 'h' \+ 'h', uses a text that is no",
    ),
    "bos outside": (byte_level(bos_token_id=2**32 - 1), "bos_token_id", "token id 4294967295 is outside"),
    "eos outside": (byte_level(eos_token_id=263), "eos_token_id", "token id 263 is outside the vocabulary of 263"),
    "bos is a text": (byte_level(bos_token_id="<s>"), "bos_token_id", "must be an integer"),
    "no bos to add": (byte_level(add_bos_token=True, bos_token_id=None), "bos_token_id", "missing"),
    "no eos to add": (byte_level(add_eos_token=True, eos_token_id=None), "eos_token_id", "missing"),
    "add_bos is a number": (byte_level(add_bos_token=1), "add_bos_token", "must be a bool"),
    "add_space is a number": (sentence_piece(add_space_prefix=1), "add_space_prefix", "must be a bool"),
}


@pytest.mark.parametrize(("metadata", "key", "problem"), WRONG.values(), ids=WRONG)
def test_metadata_that_makes_no_tokenizer_is_refused(metadata: dict[str, Any], key: str, problem: str) -> None:
    with pytest.raises(ModelFormatError, match=rf"^model\.gguf: key 'tokenizer\.ggml\.{key}': .*{problem}") as caught:
        build(metadata)
    assert caught.value.hint


def test_a_vocabulary_may_be_empty_or_have_empty_tokens() -> None:
    tokenizer = build(byte_level(tokens=["a", "", ""], token_type=None, merges=[], bos_token_id=0, eos_token_id=0))
    assert [tokenizer.id_to_token(number) for number in range(3)] == ["a", "[EMPTY_1]", "[EMPTY_2]"]
    empty = byte_level(tokens=[], token_type=None, merges=[], bos_token_id=None, eos_token_id=None)
    assert isinstance(build(empty).model, models.BPE)
