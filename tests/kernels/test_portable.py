"""The portable vocabulary gives what the machine's own gives. In a process of its own: it is chosen at the start."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

PROGRAM = """
import torch
from tests.kernels.probes import nmse, random_weight, reference_table
from mistralrs_plugins.kernels.cpu.jit.target import simd
from mistralrs_plugins.kernels.cpu.single import linear

assert simd() == "portable"
torch.manual_seed(0)
for name in ("q4_1", "q8_0", "q6_k"):
    weight = random_weight(name, 37, 768)
    for tokens in (1, 3, 10):
        x = torch.randn(tokens, 768)
        expected = reference_table().find("linear", name)(x, weight, None)
        assert nmse(linear(x, weight, None), expected) < 5e-4, (name, tokens)
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_portable_products() -> None:
    environment = {**os.environ, "MISTRALRS_SIMD": "portable", "PYTHONPATH": os.getcwd()}
    subprocess.run([sys.executable, "-c", PROGRAM], env=environment, check=True, timeout=280)
