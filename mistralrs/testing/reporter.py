"""Tells the process that supervises an exam what happens in it, while it happens: a pytest plugin.

A line of JSON each, into the file descriptor of ``--report-fd``: how many cases each plugin has, that a case begins,
and what became of it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Generator
from typing import Any

import pytest

from mistralrs.plugin.records import one_line


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--report-fd``."""
    parser.getgroup("mistralrs").addoption("--report-fd", type=int, help="Where an exam reports to.")


def pytest_configure(config: pytest.Config) -> None:
    """Report to whoever gave the descriptor."""
    config.pluginmanager.register(Reporter(config.getoption("--report-fd")))


class Reporter:
    """Writes the lines. A supervisor that is gone ends the exam: nobody would read its end."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def tell(self, **facts: Any) -> None:
        """Write one line."""
        os.write(self.fd, json.dumps(facts).encode() + b"\n")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The cases of every plugin."""
        self.tell(cases=Counter(_plugin(item) for item in session.items))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        """A case begins."""
        self.tell(plugin=_plugin(item), begins=_words(item))
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add up the three phases of a case, and report it with the last."""
        report = yield
        facts = item.stash.setdefault(FACTS, {"result": "passed", "seconds": 0.0, "note": ""})
        facts["seconds"] += report.duration
        if report.outcome != "passed" and facts["result"] != "failed":
            facts.update(result=report.outcome, note=_reason(report))
        if call.when == "teardown":
            seconds = round(facts["seconds"], 3)
            self.tell(plugin=_plugin(item), test=_words(item), **{**facts, "seconds": seconds})
        return report


FACTS: pytest.StashKey[dict[str, Any]] = pytest.StashKey()


def _plugin(item: pytest.Item) -> str:
    return str(item.cls.plugin)  # type: ignore[attr-defined]  # a method of an exam, as all of the suite


def _words(item: pytest.Item) -> str:
    test, bracket, parameters = item.name.removeprefix("test_").partition("[")
    return test.replace("_", " ") + bracket + parameters


def _reason(report: pytest.TestReport) -> str:
    """One line: why it was skipped, or what was raised."""
    if isinstance(report.longrepr, tuple):
        return one_line(report.longrepr[2].removeprefix("Skipped: "))
    crash = getattr(report.longrepr, "reprcrash", None)
    return one_line(crash.message if crash else str(report.longrepr))
