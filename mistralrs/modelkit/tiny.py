"""The sizes of a decoder that is small enough for tests. Copied into specs, so a plain dictionary."""

from __future__ import annotations

from collections.abc import Mapping

TINY: Mapping[str, int] = {
    "vocab_size": 64,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
