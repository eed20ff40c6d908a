"""Line charts as SVG, by hand: two curves are no reason for a plotting library."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 480, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 40, 48
TICKS = 5
STYLE = "text{font:12px sans-serif;fill:#222}.grid{stroke:#ddd}.axis{stroke:#222}.curve{stroke:#06c;fill:none}"


@dataclass(frozen=True, slots=True)
class Panel:
    """One curve with what its axes mean. Both axes begin at zero, so that distances are honest."""

    title: str
    across: str
    up: str
    points: Sequence[tuple[float, float]]


def svg(panels: Sequence[Panel]) -> str:
    """The panels side by side as one SVG document. Raises ValueError for a panel without points."""
    width = WIDTH * len(panels)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}">']
    lines += [f"<style>{STYLE}</style>", f'<rect width="{width}" height="{HEIGHT}" fill="#fff"/>']
    for index, panel in enumerate(panels):
        lines += [f'<g transform="translate({index * WIDTH} 0)">', *_panel(panel), "</g>"]
    return "\n".join([*lines, "</svg>", ""])


def _panel(panel: Panel) -> Iterator[str]:
    if not panel.points:
        raise ValueError(f"{panel.title}: nothing was measured")
    right, top = (nice_end(max(point[axis] for point in panel.points)) for axis in (0, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + x / right * (WIDTH - LEFT - RIGHT)
        return across, HEIGHT - BOTTOM - y / top * (HEIGHT - TOP - BOTTOM)

    yield _text(WIDTH / 2, 20, panel.title, "middle")
    yield _text(WIDTH / 2, HEIGHT - 8, panel.across, "middle")
    yield _text(LEFT - 48, TOP - 12, panel.up, "start")
    for tick in range(TICKS + 1):
        x, y = right * tick / TICKS, top * tick / TICKS
        yield _line(place(0, y), place(right, y), "grid")
        yield _text(LEFT - 8, place(0, y)[1] + 4, f"{y:g}", "end")
        yield _text(place(x, 0)[0], HEIGHT - BOTTOM + 18, f"{x:g}", "middle")
    yield _line(place(0, 0), place(right, 0), "axis")
    yield _line(place(0, 0), place(0, top), "axis")
    corners = " ".join("{:.1f},{:.1f}".format(*place(*point)) for point in sorted(panel.points))
    yield f'<polyline class="curve" stroke-width="2" points="{corners}"/>'
    for x, y in panel.points:
        across, up = place(x, y)
        yield f'<circle cx="{across:.1f}" cy="{up:.1f}" r="3" fill="#06c"><title>{x:g}: {y:.1f}</title></circle>'


def nice_end(largest: float) -> float:
    """The end of an axis: the next number above that is 1, 2, 2.5 or 5 times a power of ten; 1 for nothing."""
    if largest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= largest)


def _line(start: tuple[float, float], end: tuple[float, float], kind: str) -> str:
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
