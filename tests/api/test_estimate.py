"""What a model will take in memory, from its header alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.loading.estimate import PROCESS_BYTES, MemoryEstimate, estimate

LAYERS: dict[str, Any] = {"num_hidden_layers": 30, "num_key_value_heads": 3, "head_dim": 64}
TOKEN_BYTES = 2 * 30 * 3 * 64 * 2


def inspected(**fields: Any) -> Any:
    tensors = {name: SimpleNamespace(nbytes=size) for name, size in (("a", 1000), ("b", 24))}
    checkpoint = SimpleNamespace(tensors=tensors)
    return SimpleNamespace(checkpoint=checkpoint, config=SimpleNamespace(**fields), context_length=2048)


@pytest.mark.parametrize(
    ("paged", "cache"),
    [
        ({"context_len": 1000}, 1000 * TOKEN_BYTES),
        ({"context_len": 1000, "cache_type": "f32"}, 2 * 1000 * TOKEN_BYTES),
        ({"memory_mb": 7}, 7 << 20),
        ({}, 4 * 2048 * TOKEN_BYTES),
    ],
)
def test_the_cache_counts_as_it_is_sized(paged: dict[str, Any], cache: int) -> None:
    found = estimate(inspected(**LAYERS), PagedAttentionConfig(**paged))
    assert (found.weights, found.cache) == (1024, cache)
    assert found.total == 1024 + cache + PROCESS_BYTES


def test_a_share_of_memory() -> None:
    found = estimate(inspected(**LAYERS), PagedAttentionConfig(memory_fraction=0.5))
    assert found.cache > 1 << 20


def test_a_configuration_that_says_nothing_about_a_cache() -> None:
    assert estimate(inspected(num_hidden_layers="many"), PagedAttentionConfig()).cache == 0


def test_it_is_told_in_gib() -> None:
    told = str(MemoryEstimate(weights=1 << 30, cache=1 << 29, process=0))
    assert told == "about 1.50 GiB (weights 1.00, cache up to 0.50)"
