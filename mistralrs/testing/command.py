"""``mistralrs plugins check``: runs the conformance kit on plugins, and sums up what it found as it goes."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Final

import typer

from mistralrs.cli.console import ProgressBar, note, print_table
from mistralrs.errors import PluginError, UsageError
from mistralrs.plugin.host import PluginHost
from mistralrs.plugin.kinds import KINDS
from mistralrs.testing.examiner import Exam, Finding, examine

PATIENCE: Final = 600.0
"""Seconds: a first test may have to compile kernels on a slow machine."""

INTERRUPTED: Final = 130
"""Exit status after Ctrl-C, as shells have it."""


def check_plugins(
    ctx: typer.Context,
    plugins: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="kind/name, or a name only one plugin has.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help=f"All of a kind: {', '.join(KINDS)}.")] = None,
    patience: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="Give a plugin up when a test takes longer.")
    ] = PATIENCE,
    as_json: Annotated[bool, typer.Option("--json", help="An array of objects, one for each test.")] = False,
) -> None:
    """Examine plugins with the conformance kit; exit status 1 when a test fails."""
    host: PluginHost = ctx.obj.host
    records = [host.find(plugin) for plugin in plugins or ()] + (host.discover(kind) if kind else [])
    chosen = list(dict.fromkeys(record.full_id for record in records))
    if not chosen:
        raise UsageError("which plugins?", "give their ids, or --kind KIND for all of a kind")
    if importlib.util.find_spec("pytest") is None:
        raise PluginError("the exam needs pytest", "pip install 'mistralrs-py[testing]'")
    exams, interrupted = _take(chosen, patience, quiet=as_json)
    findings = [finding for exam in exams for finding in exam.findings]
    if as_json:
        rows = [{"plugin": exam.plugin, **asdict(finding)} for exam in exams for finding in exam.findings]
        typer.echo(json.dumps(rows, indent=2))
    elif len(chosen) > 1:
        typer.echo(f"{sum(exam.over for exam in exams)} of {len(chosen)} plugins: {_summary(findings)}")
    if interrupted:
        note("interrupted")
        raise typer.Exit(INTERRUPTED)
    if any(finding.result == "failed" for finding in findings):
        raise typer.Exit(1)


def _take(chosen: list[str], patience: float, *, quiet: bool) -> tuple[list[Exam], bool]:
    """The exams that began, and whether Ctrl-C ended them; prints each when it is over, ``quiet`` to stderr."""
    exams: dict[str, Exam] = {}
    try:
        with ProgressBar() as bar, contextlib.closing(examine(chosen, patience)) as running:
            for exam in running:
                exams[exam.plugin] = exam
                if exam.over:
                    bar.close()
                    _print(exam, len(exams), len(chosen), quiet=quiet)
                elif sys.stderr.isatty():
                    bar(exam.plugin, len(exam.findings), exam.cases or None, "tests")
    except KeyboardInterrupt:
        return list(exams.values()), True
    return list(exams.values()), False


def _print(exam: Exam, number: int, of: int, *, quiet: bool) -> None:
    """One plugin in full; of several, a line for each and the tests that failed below it."""
    summary = f"{exam.plugin}: {_summary(exam.findings)}"
    if quiet:
        note(f"[{number}/{of}] {summary}")
    elif of == 1:
        _print_findings(exam.findings)
        typer.echo(f"{summary}\n")
    else:
        typer.echo(f"[{number}/{of}] {summary}")
        _print_findings([each for each in exam.findings if each.result == "failed"])


def _summary(findings: Iterable[Finding]) -> str:
    counts = Counter(each.result for each in findings)
    shares = ", ".join(f"{counts[result]} {result}" for result in ("passed", "failed", "skipped") if counts[result])
    return f"{shares or 'nothing examined'} in {sum(each.seconds for each in findings):.1f} s"


def _print_findings(findings: Iterable[Finding]) -> None:
    """A row for all cases of a test that ended alike."""
    alike: dict[tuple[str, str, str], list[Finding]] = {}
    for each in findings:
        alike.setdefault((each.test.partition("[")[0], each.result, each.note), []).append(each)
    rows = []
    for (test, result, why), cases in alike.items():
        shown = cases[0].test if len(cases) == 1 and result == "failed" else test
        rows.append([shown, result, str(len(cases)), why])
    if rows:
        print_table(["TEST", "RESULT", "CASES", "NOTE"], rows)
