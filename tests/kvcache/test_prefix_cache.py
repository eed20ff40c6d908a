"""Keys of the prefix cache: equal content, equal key; anything else, another key."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mistralrs.kvcache.blocks import BlockPool
from mistralrs.kvcache.prefix import PrefixCache


def chain(tokens: list[int], *, namespace: bytes = b"", salt: bytes = b"", size: int = 4) -> list[bytes]:
    keys: list[bytes] = []
    PrefixCache(BlockPool(1), size, namespace).extend(keys, np.array(tokens, dtype=np.int64), salt)
    return keys


@given(st.lists(st.integers(0, 3), max_size=30), st.lists(st.integers(0, 3), max_size=30))
def test_keys_are_equal_exactly_as_far_as_the_tokens_are(left: list[int], right: list[int]) -> None:
    for index, (one, other) in enumerate(zip(chain(left), chain(right), strict=False)):
        end = (index + 1) * 4
        assert (one == other) == (left[:end] == right[:end])


def test_the_same_tokens_after_another_beginning_have_another_key() -> None:
    assert chain([1, 2, 3, 4, 5, 6, 7, 8])[1] != chain([9, 2, 3, 4, 5, 6, 7, 8])[1]


def test_namespace_and_salt_separate_caches() -> None:
    tokens = [1, 2, 3, 4]
    keys = [
        chain(tokens),
        chain(tokens, namespace=b"other model"),
        chain(tokens, salt=b"alice"),
        chain(tokens, namespace=b"other model", salt=b"alice"),
    ]
    assert len({key[0] for key in keys}) == 4


def test_a_chain_grows_without_hashing_again() -> None:
    prefix = PrefixCache(BlockPool(1), 4)
    keys: list[bytes] = []
    tokens = np.arange(12)
    for end in (3, 4, 7, 12):
        prefix.extend(keys, tokens[:end])
    assert keys == chain(list(range(12)))


def test_switched_off_it_finds_nothing() -> None:
    prefix = PrefixCache(BlockPool(1), 4, enabled=False)
    keys: list[bytes] = []
    prefix.extend(keys, np.arange(8))
    assert keys == []
    assert prefix.longest(keys, 8) == []
