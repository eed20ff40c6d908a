"""``mistralrs completions``: the scripts, and what they get when they ask."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mistralrs.cli.main import run


def ask(*words: str) -> subprocess.CompletedProcess[str]:
    """What bash is told about the last of ``words``."""
    line = " ".join(("mistralrs", *words))
    asked = {"_MISTRALRS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    command = [sys.executable, "-m", "mistralrs"]
    return subprocess.run(command, env={**os.environ, **asked}, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ben"], {"bench"}),
        (["completion"], {"completions"}),
        (["--se"], {"--seed"}),
        (["show", "--j"], {"--json", "--jinja-explicit"}),
        (["cache", "de"], {"delete"}),
    ],
)
def test_commands_and_options_are_completed(words: list[str], found: set[str]) -> None:
    done = ask(*words)
    assert set(done.stdout.split()) == found
    assert done.stderr == ""


def test_an_unknown_command_is_no_reason_to_write_into_the_prompt() -> None:
    done = ask("nonsense", "--x")
    assert (done.stdout.strip(), done.stderr) == ("", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_there_is_a_script_for(shell: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["completions", shell]) == 0
    script = capfd.readouterr().out
    assert f"complete_{shell}" in script
    assert "_MISTRALRS_COMPLETE" in script


def test_other_shells_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["completions", "elvish"]) == 2
    assert "one of bash, zsh, fish, powershell" in capfd.readouterr().err


def test_bash_understands_its_script(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["completions", "bash"]) == 0
    program = tmp_path / "mistralrs"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mistralrs "$@"\n')
    program.chmod(0o755)
    script = capfd.readouterr().out + (
        f'COMP_WORDS=(mistralrs ben); COMP_CWORD=1\n_mistralrs_completion {program}\necho "${{COMPREPLY[@]}}"\n'
    )
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout.strip(), done.stderr) == ("bench", "")
