"""Large vocabularies: opened without decoding them, and special tokens in linear time."""

from __future__ import annotations

import struct

from rawgguf import ARCHITECTURE, ARRAY, STRING, UINT32, OpenGguf, gguf, pair
from test_gguf_tokenizer import CONTROL, KEY, build, byte_level, pieces

from tests.cpu_time import assert_cheaper

TOKENS, MERGES = 262_144, 400_000


def strings(count: int) -> bytes:
    """An array of different strings."""
    texts = [b"%x" % number for number in range(count)]
    return struct.pack("<IQ", STRING, count) + b"".join(struct.pack("<Q", len(text)) + text for text in texts)


def decoded(content: bytes) -> list[str]:
    """The array of :func:`strings`, read one by one in the plainest way."""
    texts, at = [], 12
    while at < len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        texts.append(content[at + 8 : at + 8 + length].decode())
        at += 8 + length
    return texts


def test_a_large_vocabulary_opens_at_once(open_bytes: OpenGguf) -> None:
    """In less time than it takes to decode the strings."""
    tokens, merges = strings(TOKENS), strings(MERGES)
    content = gguf(
        [
            ARCHITECTURE,
            pair(KEY + "tokens", ARRAY, tokens),
            pair(KEY + "merges", ARRAY, merges),
            pair(KEY + "eos_token_id", UINT32, TOKENS - 1),
        ]
    )

    def open_it() -> None:
        assert open_bytes(content).special_ids() == {"eos": TOKENS - 1}

    assert_cheaper(open_it, lambda: (decoded(tokens), decoded(merges)))
    assert open_bytes(content).metadata[KEY + "tokens"][-1] == f"{TOKENS - 1:x}"


def use_specials(count: int) -> None:
    """Build and use a vocabulary with so many control tokens."""
    metadata = byte_level()
    metadata[KEY + "tokens"] += [f"<|special_{number}|>" for number in range(count)]
    metadata[KEY + "token_type"] += [CONTROL] * count
    tokenizer = build(metadata)
    last = f"<|special_{count - 1}|>"
    assert pieces(tokenizer, f"hello{last}") == ["hello", last]


def test_special_tokens_take_linear_time() -> None:
    """Eight times as many take about eight times as long; quadratic growth would be sixty-four."""
    assert_cheaper(lambda: use_specials(100_000), lambda: use_specials(12_500), times=40)
