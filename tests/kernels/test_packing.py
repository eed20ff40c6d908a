"""Packed weights: the same values in another order, read from a file that is not mapped for it."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
import torch

from mistralrs.checkpoint.mapped import map_file, read_again
from mistralrs.errors import ModelFormatError
from mistralrs.layouts import LAYOUTS
from mistralrs.ops import Weight, WeightStack
from mistralrs_plugins.kernels.cpu.orders import ORDERS
from mistralrs_plugins.kernels.cpu.packing import PIECE, PackedWeight, pack, packable
from tests.kernels.probes import compiled_table, random_weight


@pytest.mark.parametrize("name", ORDERS)
@pytest.mark.parametrize("rows", [1, 8, 21])
def test_nothing_but_the_order_changes(name: str, rows: int) -> None:
    weight = random_weight(name, rows, 512)
    packed = pack(weight)
    assert torch.equal(packed.stored().data, weight.data)
    assert torch.equal(packed.to_dense(), weight.to_dense())
    index = torch.tensor([rows - 1, 0, rows // 2])
    assert torch.equal(packed.rows(index), weight.rows(index))
    assert packed.nbytes == weight.nbytes
    assert packed.to(torch.device("cpu")) is packed
    assert packed.to(torch.device("meta")).data.shape == weight.data.shape


def test_experts_are_packed_each() -> None:
    flat = random_weight("q4_k", 15, 256)
    stack = Weight(flat.data.view(3, 5, -1), flat.layout, (3, 5, 256))
    packed = pack(stack)
    assert torch.equal(packed.to_dense(), stack.to_dense())
    for one, stored in zip(WeightStack.of(packed).each, WeightStack.of(stack).each, strict=True):
        assert isinstance(one, PackedWeight)
        assert torch.equal(one.to_dense(), stored.to_dense())


def test_every_quantized_layout_with_kernels_is_packed() -> None:
    assert ORDERS.keys() <= {name for name, layout in LAYOUTS.items() if not layout.dense}


def test_only_matrices_in_main_memory_are_packed() -> None:
    matrix = random_weight("q4_0", 16, 64)
    assert packable(matrix)
    assert not packable(pack(matrix))
    assert not packable(random_weight("f32", 16, 64))
    assert not packable(Weight(matrix.data.view(2, 2, 4, -1), matrix.layout, (2, 2, 4, 64)))
    assert not packable(Weight(matrix.data.to("meta"), matrix.layout, matrix.shape))
    assert not packable(Weight(matrix.data[::2], matrix.layout, (8, 64)))


def test_the_backend_packs_what_it_prepares() -> None:
    prepared = compiled_table().prepare(random_weight("q6_k", 16, 256))
    assert isinstance(prepared, PackedWeight)


def mapped_zeros(tmp_path: Path, size: int) -> tuple[Path, torch.Tensor]:
    file = tmp_path / "weights"
    with file.open("wb") as out:
        out.truncate(size)
    return file, torch.frombuffer(map_file(file), dtype=torch.uint8)


def test_a_mapped_file_is_not_in_memory_twice(tmp_path: Path) -> None:
    layout, width = LAYOUTS["q8_0"], 1024
    rows = (32 << 20) // layout.row_bytes(width)
    _, data = mapped_zeros(tmp_path, rows * layout.row_bytes(width))
    pack(random_weight("q8_0", 8, 32))  # compiled, so that only the weight's own memory is counted
    before = psutil.Process().memory_info().rss
    packed = pack(Weight(data.view(rows, -1), layout, (rows, width)))
    grown = psutil.Process().memory_info().rss - before
    assert grown < 1.5 * packed.data.nbytes


@pytest.mark.parametrize("name", ["q4_1", "q6_k", "mxfp4"])
def test_a_mapped_file_is_packed_as_memory_is(tmp_path: Path, name: str) -> None:
    """Matrices of several pieces, of which the last is not full; and behind bytes that are no weights."""
    weight = random_weight(name, 2003, 2048)
    assert weight.data.nbytes > 2 * PIECE
    file = tmp_path / "weights"
    file.write_bytes(b"some bytes" + weight.data.numpy().tobytes())
    data = torch.frombuffer(map_file(file), dtype=torch.uint8)[10:].view_as(weight.data)
    found = pack(Weight(data, weight.layout, weight.shape))
    assert torch.equal(found.data, pack(weight).data)


def test_a_file_that_became_shorter_is_told(tmp_path: Path) -> None:
    file, data = mapped_zeros(tmp_path, 3 << 20)
    with file.open("r+b") as out:
        out.truncate(1 << 20)
    into = memoryview(bytearray(1 << 20))
    assert read_again(data.data_ptr(), into)
    with pytest.raises(ModelFormatError, match="weights: the file is shorter than it was"):
        read_again(data.data_ptr() + (1 << 20), into)


def test_a_closed_file_s_addresses_are_no_longer_its_own(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(bytes(4096))
    mapped = map_file(file)
    view = torch.frombuffer(mapped, dtype=torch.uint8)
    address = view.data_ptr()
    assert read_again(address, memoryview(bytearray(10)))
    del view
    mapped.close()
    assert not read_again(address, memoryview(bytearray(10)))


def test_memory_that_is_no_mapped_file_is_left_alone(tmp_path: Path) -> None:
    _, data = mapped_zeros(tmp_path, 4096)
    other, into = torch.ones(4096, dtype=torch.uint8), memoryview(bytearray(4096))
    assert not read_again(other.data_ptr(), into)
    assert not read_again(data.data_ptr() + 1, into)  # reaches over the end
    assert bytes(into) == bytes(4096)
