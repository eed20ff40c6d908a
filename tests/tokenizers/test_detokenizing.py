"""Text that comes token by token is the text of all tokens, and never ends in half a character."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from mistralrs.engine.output import TokenDecoder
from mistralrs_plugins.formats.gguf.tokenizer import build_tokenizer
from mistralrs_plugins.tokenizers.sentencepiece.reader import open_tokenizer as open_sentencepiece
from mistralrs_plugins.tokenizers.tekken.reader import open_tokenizer as open_tekken
from tests.formats import vocabularies
from tests.tokenizers import samples

MAX_TOKENS = 24
HALF = "\ufffd"


def gguf(keys: dict[str, Any]) -> Tokenizer:
    values = {name: list(value) if isinstance(value, bytes) else value for name, value in keys.items()}
    return build_tokenizer({f"tokenizer.ggml.{name}": value for name, value in values.items()}, "test")


MODELS: dict[str, Callable[[Path], Tokenizer]] = {
    "gpt2": lambda path: gguf(vocabularies.byte_level("gpt-2")),
    "llama": lambda path: gguf(vocabularies.sentence_pieces()),
    "llama without space": lambda path: gguf(vocabularies.sentence_pieces(add_space_prefix=False)),
    "gemma4": lambda path: gguf(vocabularies.characters(model="gemma4")),
    "t5": lambda path: gguf(vocabularies.unigram()),
    "bert": lambda path: gguf(vocabularies.word_pieces()),
    "tekken": lambda path: open_tekken(samples.tekken(path), {}),
    "sentencepiece": lambda path: open_sentencepiece(samples.sentence_pieces(path, byte_fallback=True), {}),
}


@pytest.fixture(scope="module", params=MODELS)
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MISTRALRS_CACHE", str(tmp_path_factory.mktemp("cache")))
        return MODELS[request.param](tmp_path_factory.mktemp("files"))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data(), skip=st.booleans())
def test_pieces_make_the_whole(tokenizer: Tokenizer, data: st.DataObject, skip: bool) -> None:
    size = tokenizer.get_vocab_size()
    # Byte tokens come first in these vocabularies: half of the sequences are made of them.
    highest = data.draw(st.sampled_from([min(size, 262) - 1, size - 1]))
    tokens = data.draw(st.lists(st.integers(0, highest), max_size=MAX_TOKENS))
    stream = TokenDecoder(tokenizer).stream(skip_special_tokens=skip)
    whole = tokenizer.decode(tokens, skip_special_tokens=skip)
    so_far = ""
    for token in tokens:
        so_far += stream.push(token)
        assert whole.startswith(so_far)
        if HALF not in whole:
            assert HALF not in so_far
    assert so_far + stream.flush() == whole
