"""Products and table rows of every layout against the reference."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mistralrs.layouts import LAYOUTS
from mistralrs.ops import StepContext, Weight
from mistralrs_plugins.kernels.cpu.jit.code import kernel_function
from mistralrs_plugins.kernels.cpu.orders import ORDERS
from mistralrs_plugins.kernels.cpu.program.arguments import float_word
from mistralrs_plugins.kernels.cpu.program.weights import COVERED
from tests.kernels.probes import Sequences, compiled_table, nmse, random_weight, reference_table, run_both

pytestmark = pytest.mark.usefixtures("product_kernels")

QUANTIZED = list(ORDERS)
DENSE = [name for name, layout in LAYOUTS.items() if layout.dense]
DENSE_COVERED = [name for name in DENSE if name in COVERED]
INTEGER_ERROR, FLOAT_ERROR = 1e-8, 1e-6


def both(weight: Weight, x: torch.Tensor, bias: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    name, table = weight.layout.name, compiled_table()
    with torch.inference_mode():
        actual = table.find("linear", name)(x, table.prepare(weight), bias)
        return actual, reference_table().find("linear", name)(x, weight, bias)


@pytest.mark.parametrize("name", [*QUANTIZED, *DENSE])
def test_one_row_few_and_many(name: str) -> None:
    width = 768 if LAYOUTS[name].block == 256 else 352
    weight = random_weight(name, 37, width)
    for tokens in (1, 2, 3, 7, 8, 9, 12, 33, 64):
        x = torch.randn(tokens, width, generator=torch.Generator().manual_seed(tokens))
        actual, expected = both(weight, x, torch.randn(37))
        assert nmse(actual, expected) <= (FLOAT_ERROR if name in DENSE else INTEGER_ERROR), tokens


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(QUANTIZED),
    rows=st.integers(1, 40),
    blocks=st.integers(1, 11),
    tokens=st.integers(1, 11),
    seed=st.integers(0, 2**31),
)
def test_any_sizes(name: str, rows: int, blocks: int, tokens: int, seed: int) -> None:
    width = blocks * LAYOUTS[name].block
    weight = random_weight(name, rows, width, seed)
    x = torch.randn(tokens, width, generator=torch.Generator().manual_seed(seed))
    actual, expected = both(weight, x)
    # One small row may by chance cancel out; measured against the size of its terms, the error stays small.
    terms = x.square() @ weight.to_dense().square().T
    assert float((actual - expected).square().sum() / terms.sum()) <= INTEGER_ERROR


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(DENSE_COVERED), rows=st.integers(1, 20), width=st.integers(1, 70), tokens=st.integers(1, 20)
)
def test_floats_of_odd_widths(name: str, rows: int, width: int, tokens: int) -> None:
    x = torch.randn(tokens, width)
    actual, expected = both(random_weight(name, rows, width), x)
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [*QUANTIZED, *DENSE_COVERED])
def test_rows_do_not_depend_on_their_neighbours(name: str) -> None:
    """What one request computes is the same whoever shares its step, on either side of the crossover."""
    weight, x = random_weight(name, 24, 512), torch.randn(12, 512)
    whole, _ = both(weight, x)
    for row in range(12):
        alone = both(weight, x[row : row + 1])[0]
        # Two types differ in the last bit between few rows and many; for the others not even that.
        allowed = 1e-5 if name in ("q2_k", "q6_k") else 0.0
        torch.testing.assert_close(alone, whole[row : row + 1], rtol=allowed, atol=100 * allowed)


@pytest.mark.parametrize("name", ["q4_1", "q8_0", "mxfp4", "q6_k", "f16"])
@pytest.mark.parametrize("tokens", [3, 10])
def test_damaged_rows_stay_visible_and_alone(name: str, tokens: int) -> None:
    weight, x = random_weight(name, 16, 256), torch.randn(tokens, 256)
    x[0, 5], x[1, 9] = float("nan"), float("inf")
    actual, _ = both(weight, x)
    assert not actual[:2].isfinite().any()
    assert actual[2:].isfinite().all()


def every_exponent() -> Weight:
    """Rows with the exponents from 0 to 255, each with all codes, and one with 0, 1 and -1 under the highest."""
    codes = torch.arange(16, dtype=torch.uint8)
    all_codes = (codes | codes.flip(0) << 4).expand(256, -1)
    data = torch.cat((torch.arange(256, dtype=torch.uint8).view(-1, 1), all_codes), 1)
    last = torch.tensor([[255, *[0x10, 0x91, 0x09, 0x80] * 4]], dtype=torch.uint8)
    return Weight(torch.cat((data, last)), LAYOUTS["mxfp4"], (257, 32))


@pytest.mark.parametrize("tokens", [1, 9])
def test_shared_exponents_from_the_lowest_to_the_highest(tokens: int) -> None:
    weight, x = every_exponent(), torch.rand(tokens, 32, generator=torch.Generator().manual_seed(1)) / 32
    dense = weight.to_dense().double()
    finite = dense.isfinite().all(1)
    assert finite.nonzero().flatten().tolist() == [*range(253), 256]
    actual = both(weight, x)[0][:, finite].double()
    exact, terms = x.double() @ dense[finite].T, x.double() @ dense[finite].abs().T
    assert float(((actual - exact).abs() / terms).max()) <= 1e-4


def test_rows_with_shared_exponents_equal_the_decoder_s_bit_for_bit() -> None:
    weight = every_exponent()
    expected, rows = weight.to_dense(), torch.empty(weight.shape)
    ids = torch.arange(len(rows))
    address = torch.tensor([ids.data_ptr()])
    given = [address.data_ptr(), weight.data.data_ptr(), weight.data.shape[1], *weight.shape, float_word(1.0)]
    arguments = torch.tensor([*given, rows.data_ptr(), 4 * weight.shape[1]])
    for row in range(len(rows)):
        kernel_function("dense:make_embed:mxfp4", 3)(arguments.data_ptr(), row, 0)
    assert torch.equal(rows.view(torch.int32), expected.view(torch.int32))


def test_zeros_give_the_bias() -> None:
    bias = torch.randn(16)
    actual, _ = both(random_weight("q4_1", 16, 256), torch.zeros(2, 256), bias)
    assert torch.equal(actual, bias.expand(2, 16))


def test_no_rows() -> None:
    assert both(random_weight("q4_1", 16, 256), torch.empty(0, 256))[0].shape == (0, 16)


def test_a_product_of_other_sizes_is_refused() -> None:
    table = compiled_table()
    with pytest.raises(ValueError, match="rows of 128"):
        table.find("linear", "q4_1")(torch.randn(1, 128), random_weight("q4_1", 16, 256), None)


@pytest.mark.parametrize("name", [*QUANTIZED, *DENSE])
def test_rows_of_a_table(name: str) -> None:
    width = 256
    table, eye = random_weight(name, 50, width), Weight.dense(torch.eye(width))
    ids = torch.tensor([0, 49, 7, 7])

    def forward(step: StepContext) -> torch.Tensor:
        found = step.ops.embed(step.ids, table, torch.float32, 1.5)
        return step.ops.head(step.ops.rows(found, step.rows), eye, None)

    step = Sequences([(0, 4)]).context(reference_table(), ids)
    actual, expected = run_both(forward, step, [])
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)
