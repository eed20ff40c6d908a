"""Text that comes token by token is the text of all tokens at once."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_tokenizers import ALL, byte_fallback, byte_level

from mistralrs.engine.output import OutputText, TokenDecoder
from tests.cpu_time import assert_cheaper

DECODERS = {name: TokenDecoder(tokenizer) for name, tokenizer in ALL.items()}
CORPUS = [
    "plain text, with 'quotes' and\nlines",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1f7 \U0001f600",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0928\u092e\u0938\u094d\u0924\u0947 \u4f60\u597d \U00020000",
    "e\u0301 n\u0303 \ufffd \x00 \x7f",
]


@settings(max_examples=300, deadline=None)
@pytest.mark.parametrize("name", sorted(ALL))
@given(ids=st.lists(st.integers(0, 300), max_size=30), skip=st.booleans())
@example(ids=[0xF0, 0x9F, 0x98, 0x80], skip=True)
@example(ids=[3 + 0xE4, 3 + 0xBD, 3 + 0xA0, 3 + 0xFF, 259], skip=True)
@example(ids=[1, 259, 259, 262], skip=True)
def test_the_pieces_are_the_whole(name: str, ids: list[int], skip: bool) -> None:
    tokenizer = ALL[name]
    ids = [token % (tokenizer.get_vocab_size() + 2) for token in ids]
    stream = DECODERS[name].stream(skip_special_tokens=skip)
    pieces = [stream.push(token) for token in ids]
    pieces.append(stream.flush())
    assert "".join(pieces) == tokenizer.decode(ids, skip_special_tokens=skip)


@pytest.mark.parametrize("name", ["byte_level", "byte_fallback"])
@pytest.mark.parametrize("text", CORPUS)
def test_no_piece_ends_inside_a_character(name: str, text: str) -> None:
    tokenizer = ALL[name]
    stream = DECODERS[name].stream()
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert len(ids) > len(text) / 2
    shown = ""
    for token in ids:
        shown += stream.push(token)
        assert text.startswith(shown)
    assert shown + stream.flush() == text


@pytest.mark.parametrize("name", ["byte_level", "byte_fallback"])
def test_half_a_character_at_the_end_is_replaced(name: str) -> None:
    tokenizer = ALL[name]
    ids = tokenizer.encode("a\u00e9", add_special_tokens=False).ids[:-1]
    stream = DECODERS[name].stream()
    shown = "".join(map(stream.push, ids))
    assert shown == "a"
    assert stream.flush() == "\ufffd"


def test_byte_level_text_comes_without_delay() -> None:
    stream = TokenDecoder(byte_level()).stream()
    ids = byte_level().encode("he\u00e9llo", add_special_tokens=False).ids
    assert [stream.push(token) for token in ids] == ["he", "", "\u00e9", "ll", "o"]


def test_special_tokens_show_on_request_only() -> None:
    for tokenizer in (byte_level(), byte_fallback()):
        end = tokenizer.token_to_id("</s>")
        assert TokenDecoder(tokenizer).stream().push(end) == ""
        assert TokenDecoder(tokenizer).stream(skip_special_tokens=False).push(end) == "</s>"


@pytest.mark.parametrize("name", ["byte_level", "byte_fallback"])
def test_the_cost_of_a_token_does_not_grow(name: str) -> None:
    """An answer eight times as long takes about eight times as long: quadratic decoding would take sixty-four."""

    def decode(count: int) -> None:
        ids = ALL[name].encode("ab \u00e9 " * count, add_special_tokens=False).ids
        stream = DECODERS[name].stream()
        text = "".join(map(stream.push, ids)) + stream.flush()
        assert len(text) >= 4 * count

    assert_cheaper(lambda: decode(40_000), lambda: decode(5_000), times=40)


def test_a_stream_of_broken_bytes_is_not_held_for_ever() -> None:
    stream = DECODERS["byte_level"].stream()
    broken = byte_level().token_to_id("\u00f0")
    shown = "".join(stream.push(broken) for _ in range(1000))
    assert len(shown) >= 999


def test_stop_strings_apply_to_the_text() -> None:
    tokenizer = byte_level()
    output = OutputText(TokenDecoder(tokenizer).stream(), ("\u00e9l",))
    shown = [output.push(token) for token in tokenizer.encode("he\u00e9llo", add_special_tokens=False).ids]
    assert shown == ["he", "", "", "", ""]
    assert output.stop == "\u00e9l"
    assert output.finish() == ""


def test_without_a_tokenizer_there_is_no_text() -> None:
    output = OutputText(TokenDecoder(None).stream(), ())
    assert output.push(5) + output.finish() == ""
