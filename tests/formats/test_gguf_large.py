"""Large vocabularies: opened without decoding them, and special tokens in linear time."""

from __future__ import annotations

import struct
import time

from rawgguf import ARCHITECTURE, ARRAY, STRING, UINT32, OpenGguf, gguf, pair
from test_gguf_tokenizer import CONTROL, KEY, build, byte_level, pieces

TOKENS, MERGES = 262_144, 400_000
SECONDS = 0.5


def strings(count: int) -> bytes:
    """An array of different strings."""
    texts = [b"%x" % number for number in range(count)]
    return struct.pack("<IQ", STRING, count) + b"".join(struct.pack("<Q", len(text)) + text for text in texts)


def test_a_large_vocabulary_opens_at_once(open_bytes: OpenGguf) -> None:
    content = gguf(
        [
            ARCHITECTURE,
            pair(KEY + "tokens", ARRAY, strings(TOKENS)),
            pair(KEY + "merges", ARRAY, strings(MERGES)),
            pair(KEY + "eos_token_id", UINT32, TOKENS - 1),
        ]
    )
    spent = []
    for _ in range(3):
        started = time.process_time()
        opened = open_bytes(content)
        assert opened.special_ids() == {"eos": TOKENS - 1}
        spent.append(time.process_time() - started)
    assert min(spent) < SECONDS
    assert opened.metadata[KEY + "tokens"][-1] == f"{TOKENS - 1:x}"


def seconds(special: int) -> float:
    """CPU time to build and use a vocabulary with so many control tokens, the best of three."""
    metadata = byte_level()
    metadata[KEY + "tokens"] += [f"<|special_{number}|>" for number in range(special)]
    metadata[KEY + "token_type"] += [CONTROL] * special
    spent = []
    for _ in range(3):
        started = time.process_time()
        tokenizer = build(metadata)
        last = f"<|special_{special - 1}|>"
        assert pieces(tokenizer, f"hello{last}") == ["hello", last]
        spent.append(time.process_time() - started)
    return min(spent)


def test_special_tokens_take_linear_time() -> None:
    few, many = seconds(12_500), seconds(50_000)
    assert many < 8 * few  # four times as many; quadratic growth would be sixteen
    assert many < 5
