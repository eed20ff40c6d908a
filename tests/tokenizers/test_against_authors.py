"""Ids equal those of the libraries whose files are read: mistral-common, tiktoken, sentencepiece."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import tiktoken
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from tokenizers import Tokenizer

from mistralrs_plugins.tokenizers.sentencepiece.reader import open_tokenizer as open_sentencepiece
from mistralrs_plugins.tokenizers.tekken.reader import open_tokenizer as open_tekken
from mistralrs_plugins.tokenizers.tiktoken.reader import open_tokenizer as open_tiktoken
from tests.formats.nasty import TEXTS
from tests.tokenizers import samples

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = "tekken_240911.json"
MODELS = ("tokenizer.model.v1", "mistral_instruct_tokenizer_241114.model.v7")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MISTRALRS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def tekken() -> Tokenizer:
    return open_tekken(samples.real(TEKKEN), {})


@pytest.mark.slow
def test_tekken_equals_mistral_common(tekken: Tokenizer) -> None:
    theirs = Tekkenizer.from_file(samples.real(TEKKEN))
    assert tekken.get_vocab_size() == theirs.n_words
    for text in TEXTS:
        ids = tekken.encode(text.replace("<s>", "").replace("</s>", ""), add_special_tokens=False).ids
        expected = theirs.encode(text.replace("<s>", "").replace("</s>", ""), bos=False, eos=False)
        if not any(number < 1000 for number in ids):  # control tokens in a text are recognized, theirs are not
            assert ids == expected, ascii(text)
    assert tekken.encode("a").ids == theirs.encode("a", bos=True, eos=False)
    assert tekken.encode("[INST]a[/INST]</s>", add_special_tokens=False).ids == [
        3,
        *theirs.encode("a", False, False),
        4,
        2,
    ]


@pytest.mark.slow
def test_tiktoken_files_equal_tiktoken(tmp_path: Path) -> None:
    """Tekken's ranks in a file of Llama 3's kind."""
    vocabulary = json.loads(samples.real(TEKKEN).read_bytes())["vocab"][:128_000]
    ranked = [b64decode(token["token_bytes"]) for token in vocabulary]
    path = samples.ranks(tmp_path, ranked)
    special = {"<|begin_of_text|>": 128000, "<|eot_id|>": 128009}
    theirs = tiktoken.Encoding(
        "test",
        pat_str=LLAMA3,
        mergeable_ranks={token: rank for rank, token in enumerate(ranked)},
        special_tokens=special,
    )
    ours = open_tiktoken(path, {})
    for text in (*TEXTS, "<|begin_of_text|>Hello<|eot_id|>"):
        assert ours.encode(text).ids == theirs.encode(text, allowed_special="all"), ascii(text)
    config = tmp_path / "tokenizer_config.json"
    listed: dict[str, Any] = {"128005": {"content": "<|start|>", "special": True}, "128001": {"content": "<tool>"}}
    config.write_text(json.dumps({"added_tokens_decoder": listed, "add_bos_token": True, "bos_token": "<|start|>"}))
    ours = open_tiktoken(path, {"tokenizer_config.json": config})
    assert ours.encode("<tool>").ids == [128005, 128001]
    assert ours.decode([128005, 128001]) == "<tool>"


@pytest.mark.parametrize("name", MODELS)
def test_real_sentencepiece_models_equal_sentencepiece(name: str) -> None:
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(samples.real(name)))
    ours = open_sentencepiece(samples.real(name), {})
    assert ours.get_vocab_size() == theirs.vocab_size()
    compare(ours, theirs)


TRAINED: dict[str, dict[str, Any]] = {
    "pairs": {"model_type": "bpe", "byte_fallback": True},
    "pairs as they are": {"model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity"},
    "pairs with unknown": {"model_type": "bpe"},
    "unigram": {"model_type": "unigram", "vocab_size": 60},
    "unigram with bytes": {"model_type": "unigram", "byte_fallback": True, "vocab_size": 320},
    "unigram without prefix": {"model_type": "unigram", "vocab_size": 60, "add_dummy_prefix": False},
    "unigram with all spaces": {"model_type": "unigram", "vocab_size": 60, "remove_extra_whitespaces": False},
}


@pytest.mark.parametrize("name", TRAINED)
def test_trained_models_equal_sentencepiece(name: str, tmp_path: Path) -> None:
    path = samples.sentence_pieces(tmp_path, **TRAINED[name])
    compare(open_sentencepiece(path, {}), sentencepiece.SentencePieceProcessor(model_file=str(path)))


def compare(ours: Tokenizer, theirs: Any) -> None:
    for text in TEXTS:
        # Control tokens in a text are recognized, theirs are not; the library normalizes by grapheme, they by bytes.
        if any(mark in text for mark in ("<s>", "</s>", "<unk>", "\r\n")):
            continue
        ids = ours.encode(text, add_special_tokens=False).ids
        assert [*map(ours.id_to_token, ids)] == theirs.encode(text, out_type=str) or ids == theirs.encode(text), ascii(
            text
        )


def test_the_begin_token_and_added_tokens_are_those_of_the_configuration(tmp_path: Path) -> None:
    path = samples.sentence_pieces(tmp_path, byte_fallback=True)
    plain = open_sentencepiece(path, {})
    size = plain.get_vocab_size()
    assert plain.encode("Hello").ids[0] == 1
    config = tmp_path / "tokenizer_config.json"
    added = {"0": {"content": "<unk>", "special": True}, str(size): {"content": "<|tool|>", "special": False}}
    config.write_text(json.dumps({"added_tokens_decoder": added, "add_bos_token": False, "add_eos_token": True}))
    ours = open_sentencepiece(path, {"tokenizer_config.json": config})
    assert ours.encode("Hello<|tool|>").ids == [*plain.encode("Hello", add_special_tokens=False).ids, size, 2]
