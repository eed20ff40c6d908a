"""Tokenizer files that lie: one line that names file and field, status 2, no time and no memory."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mistralrs.errors import ModelFormatError
from mistralrs.textkit import charsmap
from mistralrs_plugins.tokenizers.huggingface.reader import open_tokenizer as open_huggingface
from mistralrs_plugins.tokenizers.sentencepiece.reader import open_tokenizer as open_sentencepiece
from mistralrs_plugins.tokenizers.tekken.reader import open_tokenizer as open_tekken
from mistralrs_plugins.tokenizers.tiktoken.reader import open_tokenizer as open_tiktoken
from tests.cpu_time import assert_cheaper
from tests.tokenizers import samples


def varint(number: int) -> bytes:
    found = b""
    while number >= 0x80:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def piece(text: bytes, score: float = 0.0, kind: int = 1) -> bytes:
    return message(1, message(1, text) + b"\x15" + struct.pack("<f", score) + b"\x18" + varint(kind))


UNKNOWN = piece(b"<unk>", kind=2)
PIECES = UNKNOWN + piece(b"<s>", kind=3) + piece(b"</s>", kind=3) + piece(b"a") + piece(b"b")


def trainer(field: int, value: int) -> bytes:
    return message(2, varint(field << 3) + varint(value % 2**64))


SENTENCE_PIECES = {
    "empty": (b"", "holds no pieces"),
    "text": (b"hello there", "model: "),
    "no end": (b"\xff" * 20, "a number does not end"),
    "past the end": (b"\x0a\xff\xff\xff\xff\x0f", "field 1 runs past the end"),
    "piece past the end": (message(1, b"\x0a\x7fabc"), "piece 0: field 1 runs past the end"),
    "not UTF-8": (piece(b"\xff\xfe"), "piece 0: not UTF-8"),
    "piece is a number": (b"\x08\x01", "piece 0: a number where a message belongs"),
    "kind 9": (piece(b"a", kind=9), "piece 0: type 9 is not known"),
    "score NaN": (PIECES + piece(b"c", float("nan")), "piece 5: its score is not a finite number"),
    "score is a text": (message(1, message(2, b"x")), "piece 0: something else where a float belongs"),
    "given twice": (PIECES + piece(b"a"), "the piece 'a' is given twice"),
    "unk outside": (PIECES + trainer(40, 99), "trainer_spec: unk_id 99 is outside the vocabulary of 5"),
    "unk below": (PIECES + trainer(40, -1), "trainer_spec: unk_id -1 is outside"),
    "bos outside": (PIECES + trainer(41, 2**31 - 1), "trainer_spec: bos_id 2147483647 is outside"),
    "word model": (PIECES + trainer(3, 3), "model type word is not supported"),
    "model 77": (PIECES + trainer(3, 77), "model type 77 is not supported"),
    "space behind": (PIECES + trainer(24, 1), "spaces are written in a way that is not supported"),
    "charsmap short": (PIECES + message(3, message(2, b"abc")), "normalizer_spec: precompiled_charsmap: its length"),
    "charsmap lies": (PIECES + message(3, message(2, b"\xff" * 40)), "precompiled_charsmap: its length"),
    "group": (b"\x0b", "field 1 has the wire type 3"),
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRALRS_CACHE", str(tmp_path / "cache"))


def refused(opener: Callable[..., Any], path: Path, problem: str) -> None:
    def open_it() -> None:
        nonlocal caught
        with pytest.raises(ModelFormatError) as caught:
            opener(path, {})

    caught: pytest.ExceptionInfo[ModelFormatError]
    tracemalloc.start()
    open_it()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert_cheaper(open_it, lambda: sum(range(2_000_000)), times=25)  # a second
    assert problem in caught.value.message
    assert path.name in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert peak < 2**22 + 40 * path.stat().st_size


@pytest.mark.parametrize("name", SENTENCE_PIECES)
def test_sentencepiece_models(name: str, tmp_path: Path) -> None:
    content, problem = SENTENCE_PIECES[name]
    path = tmp_path / "tokenizer.model"
    path.write_bytes(content)
    refused(open_sentencepiece, path, problem)


CONFIG = {"pattern": "a", "default_vocab_size": 294, "default_num_special_tokens": 30}
TEKKEN: dict[str, tuple[dict[str, Any], str]] = {
    "no config": ({"config": None}, "config: must be of type dict"),
    "vocab is a text": ({"vocab": "abc"}, "vocab: must be of type list"),
    "vocab is empty": ({"vocab": []}, "config.default_vocab_size: is"),
    "pattern": ({"config": {**CONFIG, "pattern": "(("}}, "config.pattern: is no regular expression"),
    "long pattern": ({"config": {**CONFIG, "pattern": "a" * 9999}}, "config.pattern: has 9999 characters"),
    "many special": (
        {"config": {**CONFIG, "default_num_special_tokens": 2**40, "default_vocab_size": 2**40}},
        "config.default_num_special_tokens: is 1099511627776, more than the vocabulary",
    ),
    "size": ({"config": {**CONFIG, "default_vocab_size": 2**60}}, "config.default_vocab_size: is"),
    "size is true": ({"config": {**CONFIG, "default_vocab_size": True}}, "must be of type int"),
    "rank": ({"vocab": [{"rank": 7, "token_bytes": "AA=="}] * 264}, "vocab[0].rank: ranks must count from 0"),
    "no base64": ({"vocab": [{"rank": 0, "token_bytes": "!"}] * 264}, "vocab[0].token_bytes: is not base64"),
    "null": ({"vocab": [None] * 264}, "vocab[0].rank: must be of type int"),
    "special twice": (
        {"special_tokens": [{"rank": 0, "token_str": "x"}, {"rank": 1, "token_str": "x"}]},
        "special_tokens: a token is given twice",
    ),
    "special outside": ({"special_tokens": [{"rank": -1, "token_str": "x"}]}, "special_tokens[0].rank: token 'x'"),
    "special is a text": ({"special_tokens": "x"}, "special_tokens: must be a list"),
}


@pytest.mark.parametrize("name", TEKKEN)
def test_tekken_files(name: str, tmp_path: Path) -> None:
    changes, problem = TEKKEN[name]
    refused(open_tekken, samples.tekken(tmp_path, **changes), problem)


def test_tekken_tokens_must_cover_all_bytes_once(tmp_path: Path) -> None:
    same = [{"rank": rank, "token_bytes": "AA=="} for rank in range(264)]
    refused(open_tekken, samples.tekken(tmp_path, vocab=same), "vocab: a token is empty or given twice")


TIKTOKEN = {
    "a word": (b"hello", "line 1 is no token in base64 with a rank"),
    "no rank": (b"AA== 0\nAQ==\n", "line 2 is no token"),
    "huge rank": (b"AA== 0\nAQ== 4294967295\n", "line 2: rank 4294967295 where 1 is next"),
    "digits": (b"AA== " + b"9" * 5000, "line 1 is no token"),
    "twice": (b"AA== 0\nAA== 1\n", "a token is empty or given twice"),
    "few": (b"AA== 0\n", "a single byte has no token"),
    "empty": (b"\n\n", "holds no tokens"),
}


@pytest.mark.parametrize("name", TIKTOKEN)
def test_tiktoken_files(name: str, tmp_path: Path) -> None:
    content, problem = TIKTOKEN[name]
    path = tmp_path / "tiktoken.model"
    path.write_bytes(content)
    refused(open_tiktoken, path, problem)


def test_an_unknown_family_says_which_are_known(tmp_path: Path) -> None:
    path = samples.ranks(tmp_path, samples.BYTES)
    with pytest.raises(ModelFormatError, match="no known family has 256 ranks") as caught:
        open_tiktoken(path, {})
    assert "llama 3 with 128000" in caught.value.hint


def test_normalizations_in_a_tokenizer_json_are_looked_at(tmp_path: Path) -> None:
    path = samples.tokenizer_json(tmp_path)
    state = json.loads(path.read_bytes())
    lying = {"type": "Precompiled", "precompiled_charsmap": "/////w=="}
    state["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFC"}, lying]}
    path.write_text(json.dumps(state))
    refused(open_huggingface, path, "normalizer: precompiled_charsmap: its length does not fit its content")


def units(*entries: tuple[int, int], texts: bytes = b"x\0") -> bytes:
    """A charsmap of 512 units, all zero but these."""
    array = np.zeros(512, np.uint32)
    for place, value in entries:
        array[place] = value
    return (2048).to_bytes(4, "little") + array.tobytes() + texts


def test_a_walk_may_not_leave_the_array() -> None:
    charsmap.check(b"")
    charsmap.check(units())
    with pytest.raises(ValueError, match="leads out of the array"):
        charsmap.check(units((0, 1000 << 10)))
    leaf = (0, 1 << 10), (1 ^ ord("a"), ord("a") | 1 << 8 | 2 << 10)
    charsmap.check(units(*leaf))
    place = (1 ^ ord("a")) ^ 2
    with pytest.raises(ValueError, match="a replacement lies outside its texts"):
        charsmap.check(units(*leaf, (place, 77)))
    with pytest.raises(ValueError, match="begins inside a character"):
        charsmap.check(units(*leaf, (place, 1), texts="\u00e9\0".encode()))
    with pytest.raises(ValueError, match="not UTF-8"):
        charsmap.check(units(texts=b"\xff"))


@pytest.mark.slow
@pytest.mark.parametrize("flags", [(), ("-O",)])
def test_the_command_ends_with_status_2_and_one_line(
    flags: tuple[str, ...], tmp_path: Path, tiny_checkpoint: Callable[[str], Path]
) -> None:
    folder = tiny_checkpoint("llama")
    bad = tmp_path / "tokenizer.model"
    bad.write_bytes(PIECES + trainer(40, 99))
    start = "import sys; from mistralrs.cli.main import main; sys.exit(main())"
    command = [sys.executable, *flags, "-c", start, "run", "-m", str(folder), "-i", "x"]
    done = subprocess.run([*command, "--tokenizer", str(bad)], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 2, done.stderr
    assert "tokenizer.model: trainer_spec: unk_id 99 is outside the vocabulary of 5" in done.stderr
    assert "Traceback" not in done.stderr
