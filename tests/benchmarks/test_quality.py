"""How far two distributions are apart."""

from __future__ import annotations

import math

import pytest
import torch

from benchmarks.quality import divergence


def test_the_mean_over_rows_of_what_the_exact_one_says_of_the_other() -> None:
    exact = torch.tensor([[0.5, 0.5, 0.0], [0.25, 0.25, 0.5]], dtype=torch.float64)
    found = torch.tensor([[0.25, 0.5, 0.25], [0.25, 0.25, 0.5]], dtype=torch.float64)
    assert divergence(exact.log(), exact.log()) == 0
    assert divergence(exact.log(), found.log()) == pytest.approx(0.5 * math.log(2) / 2)
    assert divergence(found.log(), exact.log()) == math.inf  # what is impossible there happens here
