"""Built tokenizers are kept, come back the same, and are never taken from somebody else or in pieces."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from mistralrs.textkit import cache
from mistralrs.textkit.bytelevel import from_ranks
from mistralrs.textkit.special import surround


def build() -> Tokenizer:
    ranked = [bytes([value]) for value in range(256)] + [number.to_bytes(2, "big") for number in range(12_000)]
    tokenizer = from_ranks(ranked, r"\S+|\s+")
    tokenizer.add_tokens([AddedToken("<s>", special=True, normalized=False), AddedToken("<tool>", lstrip=True)])
    tokenizer.normalizer = normalizers.NFC()
    surround(tokenizer, 12_256, None)
    return tokenizer


class Counted:
    """Counts how often a tokenizer was built."""

    def __init__(self, build: Callable[[], Tokenizer] = build) -> None:
        self.times = 0
        self._build = build

    def __call__(self) -> Tokenizer:
        self.times += 1
        return self._build()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MISTRALRS_CACHE", str(tmp_path))
    return tmp_path / "tokenizers"


@pytest.fixture
def entry(folder: Path) -> Path:
    """The one entry, kept."""
    cache.cached(b"content", build)
    (found,) = folder.iterdir()
    return found


def test_what_was_built_once_comes_back_the_same(entry: Path) -> None:
    builder = Counted()
    again = cache.cached(b"content", builder)
    assert builder.times == 0
    assert again.to_str() == build().to_str()
    assert again.encode("<s>x <tool>\u00e9").ids == build().encode("<s>x <tool>\u00e9").ids
    assert entry.stat().st_mode & 0o777 == 0o600


def test_other_content_is_built() -> None:
    builder = Counted()
    for content in (b"a", b"b", b"a"):
        cache.cached(content, builder)
    assert builder.times == 2


@pytest.mark.parametrize("place", [0, 40, 1000, -1])
def test_a_damaged_entry_is_built_again(entry: Path, place: int, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(entry.read_bytes())
    data[place] ^= 1
    entry.write_bytes(data)
    builder = Counted()
    assert cache.cached(b"content", builder).to_str() == build().to_str()
    assert builder.times == 1
    assert "damaged" in caplog.text
    cache.cached(b"content", builder)
    assert builder.times == 1


def test_an_entry_cut_short_is_built_again(entry: Path) -> None:
    whole = entry.read_bytes()
    for size in (0, 10, 32, len(whole) // 2):
        entry.write_bytes(whole[:size])
        builder = Counted()
        cache.cached(b"content", builder)
        assert builder.times == 1


def test_an_entry_under_another_key_is_not_taken(entry: Path, folder: Path) -> None:
    cache.cached(b"other", build)
    (other,) = set(folder.iterdir()) - {entry}
    other.write_bytes(entry.read_bytes())
    builder = Counted()
    cache.cached(b"other", builder)
    assert builder.times == 1


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_what_others_may_write_is_not_read(entry: Path, mode: int, caplog: pytest.LogCaptureFixture) -> None:
    entry.chmod(mode)
    builder = Counted()
    cache.cached(b"content", builder)
    assert builder.times == 1
    assert "written by others" in caplog.text


def test_a_link_is_not_followed(entry: Path, tmp_path: Path) -> None:
    entry.rename(tmp_path / "elsewhere")
    entry.symlink_to(tmp_path / "elsewhere")
    builder = Counted()
    cache.cached(b"content", builder)
    assert builder.times == 1


def test_the_oldest_go_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "KEPT", 2)
    for age, content in ((30, b"old"), (20, b"middle"), (10, b"new")):
        before = set(folder.iterdir()) if folder.exists() else set()
        cache.cached(content, build)
        for made in set(folder.iterdir()) - before:
            status = made.stat()
            os.utime(made, (status.st_atime - age, status.st_mtime - age))
    assert len(list(folder.iterdir())) == 2
    builder = Counted()
    cache.cached(b"new", builder)
    cache.cached(b"middle", builder)
    assert builder.times == 0
    cache.cached(b"old", builder)
    assert builder.times == 1


def test_a_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MISTRALRS_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.INFO):
        assert cache.cached(b"content", build).to_str() == build().to_str()
    assert "not kept" in caplog.text


def test_small_ones_and_other_models_are_not_kept(folder: Path) -> None:
    small = Tokenizer(models.BPE({"a": 0}, []))
    words = Tokenizer(models.WordLevel({str(number): number for number in range(20_000)}, unk_token="0"))
    holes = Tokenizer(models.BPE({str(2 * number): 2 * number for number in range(20_000)}, []))
    for number, tokenizer in enumerate((small, words, holes)):
        assert cache.cached(b"%d" % number, lambda made=tokenizer: made) is tokenizer  # type: ignore[misc]
    assert not folder.exists()


def test_every_option_of_a_byte_pair_model_comes_back(folder: Path) -> None:
    tokens = ["<unk>", "a", "b", "ab", *(f"<{number}>" for number in range(12_000))]
    model = models.BPE(
        {token: number for number, token in enumerate(tokens)},
        [("a", "b")],
        unk_token="<unk>",
        fuse_unk=True,
        byte_fallback=True,
        ignore_merges=True,
        continuing_subword_prefix="",
        end_of_word_suffix="</w>",
    )
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.Fuse()
    cache.cached(b"content", lambda: tokenizer)
    builder = Counted()
    assert cache.cached(b"content", builder).to_str() == tokenizer.to_str()
    assert builder.times == 0
