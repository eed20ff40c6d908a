"""Where the tokenizer comes from, and what is said when there is none."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from mistralrs.errors import ModelFormatError, SourceError
from mistralrs.loading.tokenizer import load_tokenizer, tokenizer_files
from mistralrs.plugin.host import PluginHost
from tests.chat.fakes import BareCheckpoint, files_in, small_tokenizer


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost()


def write_ranks(path: Path) -> None:
    """A tiktoken file of the 50256 ranks that make the family r50k."""
    tokens = [bytes([value]) for value in range(256)] + [number.to_bytes(3, "big") for number in range(50_000)]
    path.write_bytes(b"".join(b64encode(token) + b" %d\n" % rank for rank, token in enumerate(tokens)))


def test_the_explicit_file_wins_then_the_companion_then_the_weights(host: PluginHost, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    checkpoint = BareCheckpoint(embedded=small_tokenizer())
    assert load_tokenizer(host, files_in(model), checkpoint) is checkpoint.embedded

    companion, explicit = small_tokenizer(), small_tokenizer()
    companion.add_tokens(["companion"])
    explicit.add_tokens(["explicit"])
    companion.save(str(model / "tokenizer.json"))
    explicit.save(str(tmp_path / "mine.json"))
    assert load_tokenizer(host, files_in(model), checkpoint).token_to_id("companion") == 4
    assert load_tokenizer(host, files_in(model), checkpoint, tmp_path / "mine.json").token_to_id("explicit") == 4


def test_a_file_without_all_tokens_comes_after_the_weights(host: PluginHost, tmp_path: Path) -> None:
    write_ranks(tmp_path / "tiktoken.model")
    checkpoint = BareCheckpoint(embedded=small_tokenizer())
    assert load_tokenizer(host, files_in(tmp_path), checkpoint) is checkpoint.embedded
    assert load_tokenizer(host, files_in(tmp_path), BareCheckpoint()).get_vocab_size() == 50257


def test_the_most_complete_kind_comes_first(host: PluginHost) -> None:
    names = tokenizer_files(host)
    assert names[:2] == ("tokenizer.json", "tekken.json")
    assert {"tiktoken.model", "tokenizer.model"} <= set(names)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xff", b'{"model": {"type": "BPE"}}', b"[" * 100_000])
def test_a_broken_file_is_named(host: PluginHost, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ModelFormatError, match=r"tokenizer\.json") as caught:
        load_tokenizer(host, files_in(tmp_path), BareCheckpoint())
    assert "\n" not in caught.value.message


def test_a_missing_file_is_named(host: PluginHost, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.json"):
        load_tokenizer(host, files_in(tmp_path), BareCheckpoint(), tmp_path / "gone.json")


def test_a_file_of_no_known_name_is_refused(host: PluginHost, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"words\.txt is no tokenizer file by its name") as caught:
        load_tokenizer(host, files_in(tmp_path), BareCheckpoint(), tmp_path / "words.txt")
    assert "tekken.json" in caught.value.hint


def test_no_tokenizer_says_what_would_help(host: PluginHost, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("x")
    with pytest.raises(SourceError, match=r"none of tokenizer\.json, tekken\.json.*the weights carry none") as caught:
        load_tokenizer(host, files_in(tmp_path), BareCheckpoint())
    assert "--tokenizer" in caught.value.hint
