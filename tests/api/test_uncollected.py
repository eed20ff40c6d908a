"""Loading leaves the garbage collector as it was."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from mistralrs.loading.uncollected import uncollected


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    was_enabled = gc.isenabled()
    yield
    (gc.enable if was_enabled else gc.disable)()


class Knot:
    """Refers to itself: only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_waits_and_is_then_as_before(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled() == enabled
    with pytest.raises(ValueError, match="load"), uncollected():
        raise ValueError("load")
    assert gc.isenabled() == enabled


def test_what_was_made_meanwhile_is_old_and_can_still_be_freed() -> None:
    with uncollected():
        knot = Knot()
        knots = [Knot() for _ in range(5000)]
    assert any(each is knot for each in gc.get_objects(generation=2))
    assert gc.get_count()[0] < len(knots)
    gone = weakref.ref(knot)
    del knot
    gc.collect()
    assert gone() is None
