"""The pool: how many threads, and several callers at once."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mistralrs.errors import UsageError
from mistralrs_plugins.kernels.cpu import threads
from mistralrs_plugins.kernels.cpu.jit.cpus import usable_cpus
from mistralrs_plugins.kernels.cpu.single import linear
from tests.kernels.probes import compiled_table, random_weight


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    yield
    threads.reset()


def test_a_quota_limits_the_threads(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert usable_cpus(tmp_path) == 1


def test_the_older_kind_of_quota(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text("100000\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cpus(tmp_path) == 1


@pytest.mark.parametrize("content", ["max 100000\n", "", "nonsense here\n", "100000 0\n"])
def test_no_quota_means_all_usable(tmp_path: Path, content: str) -> None:
    (tmp_path / "cpu.max").write_text(content)
    assert usable_cpus(tmp_path) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("given", ["0", "-2", "many"])
def test_a_wrong_environment_is_named(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    threads.reset()
    monkeypatch.setenv("MISTRALRS_NUM_THREADS", given)
    with pytest.raises(UsageError, match="MISTRALRS_NUM_THREADS"):
        threads.shared_pool()


def test_set_threads() -> None:
    threads.set_threads(3)
    assert threads.shared_pool().size == 3
    with pytest.raises(UsageError):
        threads.set_threads(0)


def test_several_callers_share_one_pool() -> None:
    threads.set_threads(4)
    weight, x = random_weight("q4_1", 600, 256), torch.randn(3, 256)
    expected = linear(x, weight, None)
    wrong: list[int] = []

    def call(index: int) -> None:
        for _ in range(50):
            if not torch.equal(linear(x, weight, None), expected):
                wrong.append(index)

    callers = [threading.Thread(target=call, args=(index,)) for index in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


def test_changing_threads_between_products() -> None:
    weight, x = random_weight("q8_0", 600, 256), torch.randn(3, 256)
    expected = linear(x, weight, None)
    for count in (1, 5, 2):
        threads.set_threads(count)
        assert torch.equal(linear(x, weight, None), expected)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_gets_a_pool_of_its_own() -> None:
    weight, x = random_weight("q4_1", 600, 256), torch.randn(1, 256)
    expected = linear(x, weight, None)
    child = os.fork()
    if child == 0:
        os._exit(0 if torch.equal(linear(x, weight, None), expected) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_the_op_table_passes_the_number_on() -> None:
    compiled_table().set_threads(1)
    assert threads.shared_pool().size == 1


def test_waiting_threads_leave_the_processor_to_others() -> None:
    """With far more threads than processors, nobody spins while the one with the last chunk waits for its turn."""
    weight, x = random_weight("q4_1", 600, 256), torch.randn(3, 256)
    threads.set_threads(1)
    expected = linear(x, weight, None)
    threads.set_threads(8 * len(os.sched_getaffinity(0)))
    linear(x, weight, None)
    before, steps = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw, 0
    # A product takes microseconds: some may be over before anybody has waited for long.
    while steps < 20 or resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw == before:
        assert torch.equal(linear(x, weight, None), expected)
        steps += 1
        assert steps < 100_000, "no thread slept"


def test_engines_share_one_pool() -> None:
    """However many models a process has, their steps run on the same threads."""
    tables = [compiled_table(), compiled_table()]
    for table in tables:
        weight = table.prepare(random_weight("q4_1", 16, 64))
        table.find("linear", "q4_1")(torch.randn(1, 64), weight, None)
    names = [thread.name for thread in threading.enumerate() if thread.name.startswith("mistralrs-cpu-")]
    assert sorted(names) == [f"mistralrs-cpu-{index}" for index in range(1, threads.shared_pool().size)]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin a process to processors")
def test_affinity_limits_the_threads() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        threads.reset()
        assert threads.shared_pool().size == 1
    finally:
        os.sched_setaffinity(0, allowed)
