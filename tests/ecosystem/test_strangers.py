"""Whatever strangers install, other models run, and each mistake is named with its reason."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cpu_time import assert_start_within
from distributions import Distributions
from ecosystem import REPOSITORY, share_kernels
from strangers import EXPECTED, install_all

Cli = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("crowd")
    install_all(Distributions(root))
    share_kernels(root)
    return root


def mistralrs(site: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command of this checkout, with the distributions in ``site`` installed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MISTRALRS", "XDG"))}
    path = os.pathsep.join(map(str, (site, REPOSITORY, REPOSITORY / "plugins")))
    variables = {"PYTHONPATH": path, "HOME": str(site), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [sys.executable, "-m", "mistralrs", *arguments],
        env={**kept, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_each_is_named_with_its_reason(crowd: Path) -> None:
    done = mistralrs(crowd, "plugins", "list", "--load", "--json", "--third-party")
    assert done.returncode == 1, "some are broken"
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows.keys() == EXPECTED.keys()
    for name, (status, reason) in EXPECTED.items():
        assert rows[name]["status"] == status, rows[name]
        assert reason in rows[name]["reason"], rows[name]


@pytest.mark.slow
def test_another_model_runs(crowd: Path, tiny_checkpoint: Callable[[str], Path]) -> None:
    done = mistralrs(crowd, "run", "-m", str(tiny_checkpoint("llama")), "-i", "hello", "--max-tokens", "3", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_a_key_of_two_strangers_is_an_error_when_it_is_used(crowd: Path, tiny_checkpoint: Callable[..., Path]) -> None:
    folder = tiny_checkpoint("llama", architectures=["SharedForCausalLM"])
    done = mistralrs(crowd, "run", "-m", str(folder), "-i", "hello")
    assert done.returncode == 2
    assert "rival-a" in done.stderr
    assert "rival-b" in done.stderr
    assert '[prefer] "architecture:SharedForCausalLM" = ' in done.stderr


def test_help_works(crowd: Path) -> None:
    assert mistralrs(crowd, "--help").returncode == 0


def test_the_doctor_knows_what_would_help(crowd: Path) -> None:
    done = mistralrs(crowd, "plugins", "doctor", "--json")
    assert done.returncode == 1
    findings = {finding["subject"].partition(" ")[0]: finding for finding in json.loads(done.stdout)}
    assert "plugins disable architecture/exits" in findings["architecture/exits"]["fix"]
    assert findings["architecture/old-api"]["fix"] == "pip install --upgrade old-api"
    assert findings["architecture/missing-extra"]["fix"] == "pip install 'missing-extra[fast]'"
    assert findings["architecture/claims-llama"]["fix"] == ('[prefer] "architecture:LlamaForCausalLM" = "claims-llama"')
    assert findings["architecture:SharedForCausalLM"]["fix"].startswith('[prefer] "architecture:SharedForCausalLM"')
    assert findings["architecture/slow"]["level"] == "note"


@pytest.mark.parametrize("arguments", [["--help"], ["plugins", "list"]], ids=" ".join)
def test_a_hundred_plugins_cost_little(tmp_path: Path, arguments: list[str]) -> None:
    """At most 0.3 s of CPU time, the best of a few."""
    dists = Distributions(tmp_path)
    for number in range(100):
        dists.architecture(f"acme-{number}", keys=[f"Acme{number}ForCausalLM"])

    def start() -> None:
        done = mistralrs(tmp_path, *arguments)
        assert done.returncode == 0, done.stderr

    assert_start_within(0.3, start)
