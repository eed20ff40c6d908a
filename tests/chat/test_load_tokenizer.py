"""Where the tokenizer comes from, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from mistralrs.errors import ModelFormatError, SourceError
from mistralrs.loading.tokenizer import load_tokenizer
from tests.chat.fakes import BareCheckpoint, files_in, small_tokenizer


def test_the_explicit_file_wins_then_the_companion_then_the_weights(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    checkpoint = BareCheckpoint(embedded=small_tokenizer())
    assert load_tokenizer(files_in(model), checkpoint) is checkpoint.embedded

    companion, explicit = small_tokenizer(), small_tokenizer()
    companion.add_tokens(["companion"])
    explicit.add_tokens(["explicit"])
    companion.save(str(model / "tokenizer.json"))
    explicit.save(str(tmp_path / "mine.json"))
    assert load_tokenizer(files_in(model), checkpoint).token_to_id("companion") == 4
    assert load_tokenizer(files_in(model), checkpoint, tmp_path / "mine.json").token_to_id("explicit") == 4


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xff", b'{"model": {"type": "BPE"}}', b"[" * 100_000])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(ModelFormatError, match=r"tokenizer\.json") as caught:
        load_tokenizer(files_in(tmp_path), BareCheckpoint())
    assert "\n" not in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.json"):
        load_tokenizer(files_in(tmp_path), BareCheckpoint(), tmp_path / "gone.json")


@pytest.mark.parametrize(("name", "words"), [("tekken.json", "tekken"), ("other.txt", "the weights carry none")])
def test_no_tokenizer_says_what_would_help(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / name).write_text("x")
    with pytest.raises(SourceError, match=words) as caught:
        load_tokenizer(files_in(tmp_path), BareCheckpoint())
    assert "--tokenizer" in caught.value.hint
