"""Starting is light: what the common calls may import, and how long they may take."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest
from cpu_time import assert_start_within

HEAVY = ["torch", "pydantic", "transformers", "tokenizers", "huggingface_hub", "numpy", "rich"]

REPORT = """
import sys
from mistralrs.cli.main import run
status = run(sys.argv[1:])
print(*sorted(set(sys.modules) & set({heavy})), file=sys.stderr)
sys.exit(status)
"""

CALLS = [["--help"], ["plugins", "list"], ["plugins", "list", "--json"], ["plugins", "list", "--load"], ["--version"]]


@pytest.mark.parametrize("arguments", CALLS, ids=" ".join)
def test_nothing_heavy_is_imported(arguments: list[str], frontend: Callable[..., None]) -> None:
    frontend("greet", "import torch, pydantic, rich")
    command = [sys.executable, "-c", REPORT.format(heavy=HEAVY), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "list"]], ids=" ".join)
def test_a_start_takes_less_than_300_ms_of_cpu(
    arguments: list[str], frontend: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    frontend("greet")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # compiling is not part of a usual start

    command = [sys.executable, "-m", "mistralrs", *arguments]
    assert_start_within(0.3, lambda: subprocess.run(command, check=True, capture_output=True, timeout=60))
