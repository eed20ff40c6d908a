"""The number of rows from which products take tiles: measured once, kept, forced, and without effect on the results."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mistralrs.errors import UsageError
from mistralrs_plugins.kernels.cpu import single
from mistralrs_plugins.kernels.cpu.jit import code, target
from mistralrs_plugins.kernels.cpu.program import crossover
from tests.kernels.probes import random_weight

RISING = [float(rows) for rows in range(2, crossover.MOST + 1)]
"""Times that grow with the number of rows."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of its own, and nothing known from before. Compiled kernels stay where they are."""
    monkeypatch.setattr(crossover, "folder", lambda module: tmp_path / target.digest(module))
    monkeypatch.delenv("MISTRALRS_TILES_FROM", raising=False)
    crossover.tiles_from.cache_clear()
    yield tmp_path
    crossover.tiles_from.cache_clear()


def measured_as(monkeypatch: pytest.MonkeyPatch, direct: list[float], tiles: list[float]) -> list[str]:
    """Let measuring give these times; the layouts that are measured."""
    asked: list[str] = []

    def measured(layout: str) -> tuple[list[float], list[float]]:
        asked.append(layout)
        return direct, tiles

    monkeypatch.setattr(crossover, "measured", measured)
    return asked


@pytest.mark.parametrize(("limit", "expected"), [(0.0, 2), (2.5, 3), (6.5, 7), (99.0, crossover.MOST + 1)])
def test_the_faster_way_is_taken_at_every_number_of_rows(limit: float, expected: int) -> None:
    assert crossover.crossover(RISING, [limit] * len(RISING)) == expected


def test_one_stray_time_does_not_move_the_crossover() -> None:
    strays = [1.0, 9.0, *RISING[2:]]  # the direct way was held up once, at 3 rows
    assert crossover.crossover(strays, [6.5] * len(RISING)) == 7


def test_it_is_measured_once_and_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = measured_as(monkeypatch, RISING, [4.5] * len(RISING))
    for _ in range(2):  # two processes, one after the other
        crossover.tiles_from.cache_clear()
        assert [crossover.tiles_from("q4_1"), crossover.tiles_from("q4_1")] == [5, 5]
    assert asked == ["q4_1"]
    assert len(list(home.rglob("tiles-*"))) == 1


def test_it_lies_beside_the_compiled_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert crossover.folder is code.folder
    assert code._file("product:make_product:q4_1").parent == code.folder("product")


@pytest.mark.parametrize("damage", [b"", b"0", b"1", b"99", b"5\n", b"-4", b"\xff\xfe", b"5" * 5000])
def test_a_damaged_file_is_measured_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    asked = measured_as(monkeypatch, RISING, [4.5] * len(RISING))
    crossover.tiles_from("q8_0")
    (file,) = home.rglob("tiles-*")
    file.write_bytes(damage)
    crossover.tiles_from.cache_clear()
    with caplog.at_level(logging.INFO):
        assert crossover.tiles_from("q8_0") == 5
    assert asked == ["q8_0", "q8_0"]
    assert file.read_bytes() == b"5"
    assert "q8_0 take tiles from 5 rows" in caplog.text


def test_a_cache_that_cannot_be_written_is_no_obstacle(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = home / "file"
    blocked.write_text("not a folder")
    monkeypatch.setattr(crossover, "folder", lambda module: blocked / module)
    measured_as(monkeypatch, RISING, [4.5] * len(RISING))
    assert crossover.tiles_from("q4_0") == 5


def test_the_environment_decides(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MISTRALRS_TILES_FROM", "40")
    assert crossover.tiles_from("q4_1") == 40
    assert not list(home.rglob("tiles-*"))


@pytest.mark.parametrize("given", ["0", "-2", "many"])
def test_a_wrong_environment_is_named(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("MISTRALRS_TILES_FROM", given)
    with pytest.raises(UsageError, match="MISTRALRS_TILES_FROM"):
        crossover.tiles_from("q4_1")


def test_real_kernels_can_be_measured() -> None:
    for times in crossover.measured("q4_1"):
        assert len(times) == len(RISING)
        assert all(0 < seconds < 60 for seconds in times)


@pytest.mark.parametrize("name", ["q4_1", "mxfp4", "q6_k"])
def test_results_do_not_depend_on_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    weight, x = random_weight(name, 40, 256), torch.randn(9, 256)
    found = []
    for change in ("1", "5", "100"):
        monkeypatch.setenv("MISTRALRS_TILES_FROM", change)
        crossover.tiles_from.cache_clear()
        single._program.cache_clear()
        found.append(single.linear(x, weight, None))
    single._program.cache_clear()
    allowed = 1e-5 if name == "q6_k" else 0.0  # which differs in the last bit
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], rtol=allowed, atol=100 * allowed)
