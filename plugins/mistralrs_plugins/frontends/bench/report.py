"""What was measured, as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from typing import Any

from mistralrs.cli.console import note, print_table
from mistralrs_plugins.frontends.bench.session import Line, Report

MIB = 2**20


def as_objects(report: Report) -> str:
    """An array of rows, one for each case and one for loading; the names are a promise.

    Rates are tokens a second over all sequences, latencies seconds.
    """
    load = {
        "test": "load",
        "seconds": report.load_seconds,
        "peak_rss_bytes": report.peak_rss_bytes,
        "rss_after_imports_bytes": report.rss_after_imports_bytes,
    }
    return json.dumps([*(_row(line) for line in report.lines), load], indent=2)


def _row(line: Line) -> dict[str, Any]:
    return {
        "test": line.case.name,
        "depth": line.case.depth,
        "concurrency": line.case.concurrency,
        "tokens_per_second": line.tokens_per_second,
        "stddev": line.stddev,
        "latency_seconds": line.latency,
        "iterations": len(line.speeds),
    }


def print_report(report: Report) -> None:
    """A table on standard output; the model, loading and memory above it on standard error."""
    note(f"Model: {report.model}")
    note(f"Iterations: {report.iterations}, medians and their standard deviation")
    note(
        f"Loaded in {report.load_seconds:.2f} s; memory at most {report.peak_rss_bytes / MIB:.0f} MiB, "
        f"{report.rss_after_imports_bytes / MIB:.0f} MiB of it by imports"
    )
    print_table(["TEST", "DEPTH", "AT A TIME", "TOKENS/S", "LATENCY"], [_cells(line) for line in report.lines])


def _cells(line: Line) -> list[str]:
    case = line.case
    speed = f"{line.tokens_per_second:.2f} +- {line.stddev:.2f}"
    meaning = "a token" if case.new else "to the first token"
    latency = f"{1000 * line.latency:.2f} ms {meaning}"
    return [case.name, str(case.depth), str(case.concurrency), speed, latency]
