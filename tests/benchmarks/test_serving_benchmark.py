"""The benchmark of the server against a scripted one."""

from __future__ import annotations

import pytest

from benchmarks.contestants import ContestantError
from benchmarks.load import Load, Throughput, measure
from benchmarks.serving import OURS, THEIRS, running, table
from tests.serve.running import scripted

LOAD = Load(clients=2, requests=5, prompt=3, new=4)


def test_every_token_is_counted() -> None:
    with scripted(light=True) as server:
        found = measure(server.wait_ready().port, LOAD, seed=0)
        assert server.metric("mistralrs_tokens_processed_total") > LOAD.requests * LOAD.new
    assert found.rate > 0
    assert 0 < found.gap <= found.gap_p99


def test_a_server_that_ends_is_told() -> None:
    with pytest.raises(ContestantError, match="no requests:\nsad"), running(["sh", "-c", "echo sad >&2"]):
        pass


def test_ratios_are_of_the_same_round() -> None:
    ours, theirs = ([Throughput(rate=rate, first=1, gap=1, gap_p99=1) for rate in rates] for rates in ((2, 9), (1, 3)))
    assert "2.50 (rounds: 2.00, 3.00)" in table(LOAD, {OURS: ours, THEIRS: theirs})
