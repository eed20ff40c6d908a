"""`plugins new` for every kind: each distribution installs, lists, and passes its own tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ecosystem import Environment, build_wheels

from mistralrs.plugin.kinds import KINDS

pytestmark = pytest.mark.slow

STARTED = {f"{kind}/acme-{kind}": ["--kind", kind, f"acme-{kind}"] for kind in KINDS} | {
    "architecture/acme-variant": ["--kind", "architecture", "mistralrs-acme-variant", "--from", "gemma2"],
}


@pytest.fixture(scope="module")
def projects(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One project for each kind, and one that starts from an installed architecture; all built and installed."""
    folder, wheels = tmp_path_factory.mktemp("projects"), tmp_path_factory.mktemp("started")
    for arguments in STARTED.values():
        environment.mistralrs("plugins", "new", *arguments, "--into", folder)
    environment.install(*build_wheels(sorted(folder.iterdir()), wheels))
    return folder


def test_all_are_active(environment: Environment, projects: Path) -> None:
    found = environment.plugins("--third-party")
    assert {plugin: found[plugin]["reason"] for plugin in STARTED if found[plugin]["status"] != "active"} == {}


def test_all_pass_their_own_tests(environment: Environment, projects: Path) -> None:
    """Which include the exam of their kind."""
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--rootdir={projects}"]
    folders = sorted(projects.glob("*/tests"))
    assert len(folders) == len(STARTED)
    environment.run(environment.python, "-m", "pytest", *options, *folders)


def test_nothing_is_left_to_fill_in(projects: Path) -> None:
    for path in projects.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert "$" not in path.read_text(encoding="utf-8"), path


def test_the_code_is_formatted_and_clean(projects: Path) -> None:
    for arguments in (["check", "--select", "E,F,I,UP,B"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--isolated", "--line-length", "120", "."]
        done = subprocess.run(command, cwd=projects, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_a_name_that_is_taken_is_refused(environment: Environment, projects: Path) -> None:
    before = {path: path.read_bytes() for path in projects.rglob("*.py")}
    environment.mistralrs("plugins", "new", *STARTED["format/acme-format"], "--into", projects, status=2)
    assert before == {path: path.read_bytes() for path in projects.rglob("*.py")}


def test_the_exam_can_be_taken(environment: Environment, projects: Path) -> None:
    rows = json.loads(environment.mistralrs("plugins", "check", "acme-variant", "acme-kernels", "--json"))
    assert {row["plugin"].partition("@")[0] for row in rows} == {"architecture/acme-variant", "kernels/acme-kernels"}
    assert {row["result"] for row in rows} <= {"passed", "skipped"}
