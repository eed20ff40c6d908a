"""The shipped exam of tokenizer files, over the built-in kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from mistralrs.testing.conformance.tokenizer import TokenizerConformance
from mistralrs.textkit.patterns import words
from mistralrs_plugins.tokenizers.tiktoken import families
from tests.tokenizers import samples


class TestHuggingface(TokenizerConformance):
    plugin = "tokenizer/huggingface"

    @pytest.fixture
    def sample(self, tmp_path: Path) -> Path:
        return samples.tokenizer_json(tmp_path)


class TestTekken(TokenizerConformance):
    plugin = "tokenizer/tekken"

    @pytest.fixture
    def sample(self, tmp_path: Path) -> Path:
        return samples.tekken(tmp_path)


class TestTiktoken(TokenizerConformance):
    plugin = "tokenizer/tiktoken"

    @pytest.fixture
    def sample(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A family of its own, small enough for a test."""
        tokens = [*samples.BYTES, *samples.WORDS]
        small = families.Family("small", words(r"\p{N}"), {len(tokens) + 1: "<|end|>"})
        monkeypatch.setitem(families.FAMILIES, len(tokens), small)
        return samples.ranks(tmp_path, tokens)


class TestSentencePiecePairs(TokenizerConformance):
    plugin = "tokenizer/sentencepiece"

    @pytest.fixture
    def sample(self, tmp_path: Path) -> Path:
        return samples.sentence_pieces(tmp_path, byte_fallback=True, normalization_rule_name="identity")


class TestSentencePieceUnigram(TokenizerConformance):
    plugin = "tokenizer/sentencepiece"

    @pytest.fixture
    def sample(self, tmp_path: Path) -> Path:
        return samples.sentence_pieces(tmp_path, "unigram", vocab_size=60)
