"""Charts: what is drawn where."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks.chart import HEIGHT, WIDTH, Panel, nice_end, svg

NAMES = {"svg": "http://www.w3.org/2000/svg"}


def drawn(*panels: Panel) -> ElementTree.Element:
    return ElementTree.fromstring(svg(panels))


def test_a_curve_goes_through_its_points() -> None:
    root = drawn(Panel("a < b & c", "tokens", "tokens/s", [(0, 100), (50, 80), (100, 20)]))
    places = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in root.iterfind(".//svg:circle", NAMES)]
    assert places[0][0] < places[1][0] < places[2][0]
    assert places[0][1] < places[1][1] < places[2][1]  # SVG counts downwards
    halves = (places[0][0] + places[2][0]) / 2
    assert places[1][0] == pytest.approx(halves, abs=0.2)
    assert all(0 < x < WIDTH and 0 < y < HEIGHT for x, y in places)
    assert root.findtext(".//svg:text", namespaces=NAMES) == "a < b & c"


def test_panels_stand_side_by_side() -> None:
    panel = Panel("one", "x", "y", [(1, 1)])
    root = drawn(panel, panel)
    assert [group.attrib["transform"] for group in root.iterfind("svg:g", NAMES)] == [
        "translate(0 0)",
        f"translate({WIDTH} 0)",
    ]


def test_nothing_measured_is_no_chart() -> None:
    with pytest.raises(ValueError, match="one: nothing was measured"):
        svg([Panel("one", "x", "y", [])])


@pytest.mark.parametrize(
    ("largest", "end"), [(0, 1), (1, 1), (7, 10), (128, 200), (201, 250), (4096, 5000), (0.3, 0.5)]
)
def test_axes_end_at_round_numbers(largest: float, end: float) -> None:
    assert nice_end(largest) == pytest.approx(end)
