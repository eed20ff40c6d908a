"""The block decoders against ggml's own reference in the gguf package, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, quants
from hypothesis import given, settings
from hypothesis import strategies as st

from mistralrs.layouts import BF16, F16, F32, LAYOUTS, Q4_1, Q6_K, Q8_0, Layout
from mistralrs.layouts.decode import CHUNK, dequantize

BLOCKED = [layout for layout in LAYOUTS.values() if not layout.dense]

# Where each layout keeps its half-precision factors.
FACTORS = {
    "q4_0": (0,),
    "q4_1": (0, 2),
    "q5_0": (0,),
    "q5_1": (0, 2),
    "q8_0": (0,),
    "q2_k": (80, 82),
    "q3_k": (108,),
    "q4_k": (0, 2),
    "q5_k": (0, 2),
    "q6_k": (208,),
}

EXTREMES = np.array([0.0, -0.0, 6e-8, -6e-8, 65504, -65504, np.inf, -np.inf, np.nan], np.float16)


def random_blocks(layout: Layout, count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, layout.block_bytes), dtype=np.uint8)


def assert_equal(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


def assert_same_bits(layout: Layout, blocks: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        expected = quants.dequantize(blocks, GGMLQuantizationType[layout.name.upper()])
    found = dequantize(torch.from_numpy(blocks), layout).numpy()
    assert found.dtype == np.float32
    assert found.shape == (len(blocks), layout.block)
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), nan)
    np.testing.assert_array_equal(found.view(np.uint32)[~nan], expected.view(np.uint32)[~nan])


@pytest.mark.parametrize("layout", BLOCKED, ids=lambda layout: layout.name)
def test_random_blocks_decode_to_the_same_bits(layout: Layout) -> None:
    assert_same_bits(layout, random_blocks(layout, 2000, seed=1))


@pytest.mark.parametrize("layout", [LAYOUTS[name] for name in FACTORS], ids=lambda layout: layout.name)
def test_extreme_factors_decode_to_the_same_bits(layout: Layout) -> None:
    factors = FACTORS[layout.name]
    pairs = np.array(np.meshgrid(*[EXTREMES] * len(factors))).reshape(len(factors), -1)
    blocks = random_blocks(layout, 3 * pairs.shape[1], seed=2)
    for offset, values in zip(factors, pairs, strict=True):
        blocks[:, offset : offset + 2] = np.repeat(values, 3)[:, None].view(np.uint8)
    blocks[0::3, : min(factors)] = 0
    assert_same_bits(layout, blocks)


@given(data=st.data(), layout=st.sampled_from(BLOCKED))
@settings(max_examples=60, deadline=None)
def test_any_bytes_decode_to_the_same_bits(data: st.DataObject, layout: Layout) -> None:
    size = layout.block_bytes
    raw = data.draw(st.binary(min_size=size, max_size=3 * size).map(lambda b: b[: len(b) // size * size]))
    assert_same_bits(layout, np.frombuffer(bytearray(raw), np.uint8).reshape(-1, size))


@pytest.mark.parametrize("layout", BLOCKED, ids=lambda layout: layout.name)
def test_chunks_and_leading_dimensions_change_nothing(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = torch.from_numpy(random_blocks(layout, 2 * 5 * 3, seed=3))
    whole = dequantize(blocks, layout)
    monkeypatch.setattr("mistralrs.layouts.decode.CHUNK", 2 * 3 * layout.block)
    rows = dequantize(blocks.view(2, 5, -1), layout)
    assert rows.shape == (2, 5, 3 * layout.block)
    assert_equal(rows.flatten(), whole.flatten())


def test_a_tensor_larger_than_a_chunk_decodes_whole() -> None:
    rows = torch.from_numpy(random_blocks(Q4_1, CHUNK // 32 + 7, seed=4))
    assert_equal(dequantize(rows, Q4_1)[-5:], dequantize(rows[-5:], Q4_1))


def test_columns_of_a_matrix_decode_without_the_rest() -> None:
    data = torch.from_numpy(random_blocks(Q8_0, 12, seed=5)).view(4, 3 * 34)
    assert_equal(dequantize(data[:, 34:68], Q8_0), dequantize(data, Q8_0)[:, 32:64])


def test_other_types_are_rounded_from_float32() -> None:
    data = torch.from_numpy(random_blocks(Q6_K, 4, seed=6))
    assert_equal(dequantize(data, Q6_K, torch.bfloat16), dequantize(data, Q6_K).bfloat16())


@pytest.mark.parametrize(
    ("layout", "dtype"), [(F32, torch.float32), (F16, torch.float16), (BF16, torch.bfloat16)], ids=str
)
@pytest.mark.parametrize("offset", [0, 1])
def test_plain_types_are_read_at_any_alignment(layout: Layout, dtype: torch.dtype, offset: int) -> None:
    values = torch.arange(-6, 6, dtype=dtype).view(3, 4)
    raw = torch.zeros(values.nbytes + offset, dtype=torch.uint8)
    raw[offset:] = values.view(torch.uint8).flatten()
    data = raw[offset:].view(3, -1)
    assert torch.equal(dequantize(data, layout, dtype), values)
    assert torch.equal(dequantize(data, layout), values.float())


def test_a_plain_tensor_of_its_own_type_is_not_copied() -> None:
    values = torch.randn(2, 3)
    assert dequantize(values.view(torch.uint8), F32).data_ptr() == values.data_ptr()


def test_an_empty_tensor_stays_empty() -> None:
    assert dequantize(torch.empty(0, 20, dtype=torch.uint8), Q4_1).shape == (0, 32)
    assert dequantize(torch.empty(3, 0, dtype=torch.uint8), Q4_1).shape == (3, 0)


def test_a_row_with_part_of_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="q4_1 blocks have 20 bytes; a row has 30"):
        dequantize(torch.zeros(2, 30, dtype=torch.uint8), Q4_1)
