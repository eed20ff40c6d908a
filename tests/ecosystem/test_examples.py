"""The three distributions of examples/plugins, built, installed beside the project's wheel, and used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ecosystem import REPOSITORY, Environment, build_wheels

EXAMPLES = {
    "mistralrs-tiny": "architecture/tiny",
    "mistralrs-absmax": "quantization/absmax8",
    "mistralrs-tokens": "frontend/tokens",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outsiders(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    wheels = tmp_path_factory.mktemp("outsiders")
    environment.install(*build_wheels([REPOSITORY / "examples" / "plugins" / name for name in EXAMPLES], wheels))
    return environment


@pytest.fixture(scope="module")
def checkpoint(outsiders: Environment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of the outsider's architecture, written by the installed kit."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    code = (
        "import pathlib, sys; from mistralrs.plugin.host import PluginHost; "
        "from mistralrs.testing.tiny import write_checkpoint; "
        "write_checkpoint(PluginHost().resolve('architecture', 'tiny'), pathlib.Path(sys.argv[1]))"
    )
    outsiders.run(outsiders.python, "-c", code, folder)
    return folder


def test_the_project_is_not_this_checkout(outsiders: Environment) -> None:
    home = outsiders.run(
        outsiders.python, "-c", "import mistralrs, mistralrs_plugins as p; print(mistralrs.__file__, p.__file__)"
    )
    assert all(Path(path).is_relative_to(outsiders.root) for path in home.split())


def test_its_kernels_compile(outsiders: Environment) -> None:
    """From the sources in the wheel, whatever was compiled before."""
    code = "from mistralrs_plugins.kernels.cpu.jit.code import compiled; print(len(compiled('cache:make_write:f16')))"
    assert int(outsiders.run(outsiders.python, "-c", code)) > 0


def test_they_are_listed(outsiders: Environment) -> None:
    found = outsiders.plugins("--third-party")
    assert {row["distribution"]: name for name, row in found.items()} == EXAMPLES
    assert {row["status"] for row in found.values()} == {"active"}


def test_one_passes_the_exam(outsiders: Environment) -> None:
    rows = json.loads(outsiders.mistralrs("plugins", "check", "tiny", "--json"))
    assert {row["plugin"] for row in rows} == {"architecture/tiny@mistralrs-tiny"}
    assert {row["result"] for row in rows} <= {"passed", "skipped"}
    assert len(rows) > 15


def test_they_pass_their_own_tests(outsiders: Environment) -> None:
    """Which include the exam of their kind."""
    folders = [REPOSITORY / "examples" / "plugins" / name / "tests" for name in EXAMPLES]
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--rootdir={outsiders.root}"]
    summary = outsiders.run(outsiders.python, "-m", "pytest", *options, *folders)
    assert "failed" not in summary


def test_the_architecture_generates_text(outsiders: Environment, checkpoint: Path) -> None:
    answer = json.loads(outsiders.mistralrs("run", "-m", checkpoint, "-i", "hello", "--max-tokens", "5", "--json"))
    assert answer


def test_the_quantization_is_applied(outsiders: Environment, checkpoint: Path) -> None:
    plain, rounded = (
        json.loads(outsiders.mistralrs("run", "-m", checkpoint, "-i", "hello", "--max-tokens", "5", "--json", *isq))
        for isq in ([], ["--isq", "absmax8"])
    )
    assert plain.keys() == rounded.keys()


def test_the_command_runs(outsiders: Environment, checkpoint: Path) -> None:
    rows = json.loads(outsiders.mistralrs("tokens", "abc", "-m", checkpoint, "--json"))
    assert [row["token"] for row in rows] == ["a", "b", "c"]
