"""A step runs on the pool alone: no thread of another library takes part, in decoding or in reading prompts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
def test_no_other_parallel_region_runs_inside_a_step(smollm2_gguf: Path) -> None:
    """torch and OpenMP may use two threads each here, and do so where nobody keeps them from it."""
    allowed = {**os.environ, "OMP_NUM_THREADS": "2", "MISTRALRS_NUM_THREADS": "2"}
    command = [sys.executable, "-m", "tests.kernels.regions", str(smollm2_gguf)]
    done = subprocess.run(command, env=allowed, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    switches = json.loads(done.stdout)
    for phase in ("prefill", "decode"):
        assert switches[phase]["foreign"] == 0, switches
        assert "pool" in switches[phase], switches
    assert switches["torch"]["foreign"] > 0, "foreign threads would not have been seen"
