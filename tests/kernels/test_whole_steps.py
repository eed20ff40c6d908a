"""Every built-in architecture: its step is one call wherever that is claimed, and gives the reference's logits."""

from __future__ import annotations

import pytest
import torch

from benchmarks.whole_steps import architectures, compiled_model, is_whole
from mistralrs.plugin import ArchitectureSpec
from mistralrs.testing.paged import PagedModel
from mistralrs.testing.tiny import random_tensors, tiny_config
from mistralrs.weights import DictSource

pytestmark = pytest.mark.usefixtures("step_kernels")

ENCODERS = {
    "bert", "bert-classifier", "distilbert", "distilbert-classifier", "embeddinggemma", "modernbert",
    "modernbert-classifier", "nomic-bert", "roberta", "roberta-classifier",
}  # fmt: skip
"""They read each text once, with attention to both sides."""
RECURRENT = {
    "bamba", "falcon-h1", "granitemoehybrid", "jamba", "lfm2", "lfm2-moe", "mamba", "mamba2", "minimax", "nemotron-h",
    "qwen3-5", "qwen3-5moe", "qwen3next",
}  # fmt: skip
"""Scans over states have no compiled form."""
LATENT = {"deepseekv2", "deepseekv3", "glm4moelite", "minicpm3"}
"""Neither has attention over a latent cache."""
OTHERS = {"gemma3n", "gemma4", "phimoe"}
"""Streams of hidden states, embeddings of each layer's own, and a router that chooses in rounds."""
IN_PARTS = ENCODERS | RECURRENT | LATENT | OTHERS
"""Architectures whose steps are run operation by operation."""

STEPS = [
    {"a": [3, 1, 4, 1, 5], "b": [9]},
    {"b": [2, 6, 5], "a": [3]},
    {"a": [5], "b": [8], "c": [9, 7]},
    {"c": [9], "b": [3], "a": [2]},
]


@pytest.mark.parametrize("spec", architectures(), ids=lambda spec: spec.name)
def test_steps_equal_the_reference_s(spec: ArchitectureSpec) -> None:
    config, fast = tiny_config(spec), compiled_model(spec)
    reference = PagedModel(spec, config, DictSource(random_tensors(spec, config)))
    for step in STEPS:
        expected, actual = reference.step(step), fast.step(step)
        for name in step:
            torch.testing.assert_close(actual[name], expected[name], rtol=2e-4, atol=2e-4)
    assert is_whole(fast) == (spec.name not in IN_PARTS), "claimed otherwise in the table of this module"
