"""The memory behind the blocks."""

from __future__ import annotations

import pytest
import torch

from mistralrs.errors import EngineError
from mistralrs.kvcache.paged import PagedCache, bytes_per_block
from mistralrs.ops import PagedSpec

SPECS = (PagedSpec(kv_heads=2, head_dim=8), PagedSpec(kv_heads=1, head_dim=8, v_head_dim=4))
CPUS = [torch.device("cpu")] * 2


def test_every_layer_gets_its_own_shape() -> None:
    cache = PagedCache(SPECS, num_blocks=3, block_size=16, dtype=torch.float16, devices=CPUS)
    assert [tuple(layer.k.shape) for layer in cache.layers] == [(3, 16, 2, 8), (3, 16, 1, 8)]
    assert [tuple(layer.v.shape) for layer in cache.layers] == [(3, 16, 2, 8), (3, 16, 1, 4)]
    assert cache.layers[0].k.dtype == torch.float16


def test_bytes_per_block_is_what_the_tensors_take() -> None:
    cache = PagedCache(SPECS, num_blocks=5, block_size=8, dtype=torch.float32, devices=CPUS)
    total = sum(t.numel() * t.element_size() for layer in cache.layers for t in (layer.k, layer.v))
    assert total == cache.bytes == 5 * bytes_per_block(SPECS, 8, torch.float32)


def test_wiping_touches_only_the_blocks_named() -> None:
    cache = PagedCache(SPECS, num_blocks=4, block_size=8, dtype=torch.float32, devices=CPUS)
    for layer in cache.layers:
        layer.k.fill_(torch.nan)
        layer.v.fill_(torch.nan)
    cache.wipe([1, 3])
    for layer in cache.layers:
        for pool in (layer.k, layer.v):
            assert pool[[1, 3]].eq(0).all()
            assert pool[[0, 2]].isnan().all()


def test_a_cache_that_does_not_fit_is_refused_with_its_size() -> None:
    with pytest.raises(EngineError, match=r"GiB for \d+ tokens") as caught:
        PagedCache(SPECS, num_blocks=2**50, block_size=32, dtype=torch.float32, devices=CPUS)
    assert caught.value.hint
