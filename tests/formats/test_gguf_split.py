"""Models in several GGUF files: all parts are found, belong together and are read as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from rawgguf import ARCHITECTURE, UINT32, RawTensor, gguf, pair

from mistralrs.checkpoint import ModelFiles
from mistralrs.errors import ModelFormatError
from mistralrs_plugins.formats.gguf.checkpoint import GgufCheckpoint, open_gguf

COUNT = 3


def part(number: int, *, count: int = COUNT, tensor: str | None = None, total: int = COUNT) -> bytes:
    pairs = [pair("split.no", UINT32, number), pair("split.count", UINT32, count)]
    pairs.append(pair("split.tensors.count", UINT32, total))
    if number == 0:
        pairs.insert(0, ARCHITECTURE)
    return gguf(pairs, [RawTensor(tensor or f"t{number}", (4,))], bytes([number]) * 16)


def path_of(folder: Path, number: int, count: int = COUNT) -> Path:
    return folder / f"model-{number + 1:05d}-of-{count:05d}.gguf"


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    paths = [path_of(tmp_path, number) for number in range(COUNT)]
    for number, path in enumerate(paths):
        path.write_bytes(part(number))
    return paths


def opening(*paths: Path) -> GgufCheckpoint:
    return open_gguf(ModelFiles(id="test", source="file", root=paths[0].parent, weights=paths))


@pytest.mark.parametrize("given", [(0, 1, 2), (0,), (2,), (2, 0)])
def test_any_part_stands_for_the_whole(parts: list[Path], given: tuple[int, ...]) -> None:
    opened = opening(*(parts[number] for number in given))
    assert opened.architecture == "gguf:llama"
    assert {name: bytes(opened.read(name))[0] for name in opened.tensors} == {"t0": 0, "t1": 1, "t2": 2}


def test_a_missing_part_is_named(parts: list[Path]) -> None:
    parts[1].unlink()
    with pytest.raises(ModelFormatError, match=r"model-00002-of-00003\.gguf: this part of the model is missing"):
        opening(parts[0])


def test_a_part_under_another_name_is_refused(parts: list[Path], tmp_path: Path) -> None:
    renamed = parts[0].rename(tmp_path / "renamed.gguf")
    with pytest.raises(
        ModelFormatError, match=r"renamed\.gguf: .* say part 1 of 3, but the file is read as part 1 of 1"
    ):
        opening(renamed)


def test_parts_in_the_wrong_order_are_refused(parts: list[Path]) -> None:
    parts[1].write_bytes(part(2))
    with pytest.raises(ModelFormatError, match="say part 3 of 3, but the file is read as part 2 of 3"):
        opening(parts[0])


def test_a_tensor_in_two_parts_is_refused(parts: list[Path]) -> None:
    parts[2].write_bytes(part(2, tensor="t0"))
    with pytest.raises(ModelFormatError, match=r"model-00003-of-00003\.gguf: tensor 't0' is in another part too"):
        opening(parts[0])


def test_the_stated_number_of_tensors_must_be_there(parts: list[Path]) -> None:
    parts[0].write_bytes(part(0, total=4))
    with pytest.raises(ModelFormatError, match=r"'split\.tensors\.count' says 4 tensors, but the parts have 3"):
        opening(parts[0])


def test_files_that_are_no_parts_are_not_combined(parts: list[Path], tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(gguf())
    for given in ((other, parts[0]), (parts[0], other)):
        with pytest.raises(ModelFormatError, match="not a part of"):
            opening(*given)


def test_a_single_part_of_one_is_a_plain_file(tmp_path: Path) -> None:
    path = tmp_path / "whole.gguf"
    path.write_bytes(part(0, count=1, total=1))
    assert list(opening(path).tensors) == ["t0"]
