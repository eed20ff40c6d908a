"""``mistralrs plugins check``: runs the conformance kit on plugins and sums up what it found."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from mistralrs.cli.console import print_table
from mistralrs.errors import MistralrsError, PluginError
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.records import one_line

SUITE: Final = "mistralrs.testing.suite"
PATIENCE: Final = 1800
"""Seconds after which an exam is given up."""

_OUTCOMES: Final = {"failure": "failed", "error": "failed", "skipped": "skipped"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One test: ``result`` is passed, failed or skipped; ``note`` says why it was not passed."""

    test: str
    result: str
    seconds: float
    note: str


def check_plugins(
    ctx: typer.Context,
    plugins: Annotated[list[str], typer.Argument(metavar="ID...", help="kind/name, or a name only one plugin has.")],
    as_json: Annotated[bool, typer.Option("--json", help="An array of objects, one for each test.")] = False,
) -> None:
    """Examine plugins with the conformance kit; exit status 1 when a test fails."""
    host: PluginHost = ctx.obj.host
    if importlib.util.find_spec("pytest") is None:
        raise PluginError("the exam needs pytest", "pip install 'mistralrs-py[testing]'")
    results = {record.full_id: examine(record.full_id) for record in map(host.find, plugins)}
    if as_json:
        rows = [{"plugin": plugin, **asdict(each)} for plugin, found in results.items() for each in found]
        typer.echo(json.dumps(rows, indent=2))
    else:
        for plugin, found in results.items():
            _print(plugin, found)
    if any(each.result == "failed" for found in results.values() for each in found):
        raise typer.Exit(1)


def examine(plugin: str) -> list[Finding]:
    """Run the exam in a process of its own, away from the project and the pytest plugins of the user."""
    with tempfile.TemporaryDirectory(prefix="mistralrs-check-") as folder:
        report, settings = Path(folder, "report.xml"), Path(folder, "pytest.ini")
        settings.write_text("[pytest]\njunit_family = xunit2\n", encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-c", str(settings), "--rootdir", folder]
        command += ["-p", "mistralrs.testing.pytest_plugin", "-p", "no:cacheprovider", f"--junitxml={report}"]
        command += ["--pyargs", SUITE, "--plugin", plugin]
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            raise PluginError(f"the exam of {plugin} was given up after {PATIENCE} s") from None
        if not report.is_file():
            last = next((line for line in reversed((done.stderr or done.stdout).splitlines()) if line.strip()), "")
            raise MistralrsError(f"the exam of {plugin} did not run: {one_line(last)}")
        return _findings(report)


def _findings(report: Path) -> list[Finding]:
    """What the JUnit report says; its writer is pytest itself, just run."""
    import xml.etree.ElementTree as ET  # 3 ms that no other command should pay

    found = []
    for case in ET.parse(report).iter("testcase"):
        outcome = next((child for child in case if child.tag in _OUTCOMES), None)
        test, bracket, parameters = case.get("name", "").removeprefix("test_").partition("[")
        words = test.replace("_", " ") + bracket + parameters
        result = "passed" if outcome is None else _OUTCOMES[outcome.tag]
        note = "" if outcome is None else one_line(outcome.get("message", ""))
        found.append(Finding(words, result, round(float(case.get("time", 0)), 3), note))
    return found


def _print(plugin: str, findings: Sequence[Finding]) -> None:
    """A row for all cases of a test that ended alike, and a line that sums up."""
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for each in findings:
        alike.setdefault((each.test.partition("[")[0], each.result, each.note), []).append(each)
    rows = []
    for (test, result, note), cases in alike.items():
        shown = cases[0].test if len(cases) == 1 and result == "failed" else test
        rows.append([shown, result, str(len(cases)), note])
    print_table(["TEST", "RESULT", "CASES", "NOTE"], rows)
    counts = Counter(each.result for each in findings)
    seconds = sum(each.seconds for each in findings)
    summary = ", ".join(f"{counts[result]} {result}" for result in ("passed", "failed", "skipped") if counts[result])
    typer.echo(f"{plugin}: {summary} in {seconds:.1f} s\n")
