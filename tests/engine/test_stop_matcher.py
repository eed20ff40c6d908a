"""Stop strings: what is shown, what is held back, where it ends."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mistralrs.engine.stops import StopMatcher
from tests.cpu_time import assert_cheaper

TEXT = st.text(alphabet="ab<", max_size=40)
STOPS = st.lists(st.text(alphabet="ab<", min_size=1, max_size=5), max_size=4)


def naive(text: str, stops: list[str]) -> tuple[str, str | None]:
    """Cut at the stop that completes first; of those that do so together, the longest."""
    for end in range(1, len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            stop = max(complete, key=len)
            return text[: end - len(stop)], stop
    return text, None


def cut(text: str, at: list[int]) -> list[str]:
    borders = [0, *sorted(min(place, len(text)) for place in at), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(borders)]


@given(TEXT, STOPS, st.lists(st.integers(0, 40), max_size=8))
@example("ababac", ["abac", "bab"], [1, 2, 3, 4, 5])
@example("aab", ["aaa", "ab"], [])
def test_any_cutting_gives_what_the_whole_text_gives(text: str, stops: list[str], at: list[int]) -> None:
    matcher = StopMatcher(stops)
    shown = ""
    final, stop = naive(text, stops)
    for piece in cut(text, at):
        shown += matcher.push(piece)
        assert final.startswith(shown), "a part of a stop was shown"
    shown += matcher.flush()
    assert (shown, matcher.stop) == (final, stop)


@given(TEXT, STOPS)
def test_only_what_may_become_a_stop_is_held_back(text: str, stops: list[str]) -> None:
    matcher = StopMatcher(stops)
    shown = ""
    for index, char in enumerate(text):
        shown += matcher.push(char)
        if matcher.stop is not None:
            return
        seen = text[: index + 1]
        could = [n for stop in stops for n in range(1, len(stop)) if seen.endswith(stop[:n])]
        assert len(seen) - len(shown) == max(could, default=0)


def test_without_stops_everything_passes() -> None:
    matcher = StopMatcher([])
    assert matcher.push("abc") == "abc"
    assert matcher.flush() == ""


@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_hostile_stops_cost_linear_time(piece: int) -> None:
    """Stops, and the text with them, that are eight times as long take about eight times as long: not sixty-four."""

    def match(count: int) -> None:
        matcher = StopMatcher(["a" * (count // 5 + i) + "b" for i in range(16)])
        for start in range(0, count, piece):
            matcher.push("a" * min(piece, count - start))
        assert matcher.stop is None

    assert_cheaper(lambda: match(20_000), lambda: match(2_500), times=24)
