"""Leaf layers: they own weights, know neither configs nor checkpoints, and compute through a step's ops only."""

from mistralrs.layers.embedding import Embedding
from mistralrs.layers.linear import Linear
from mistralrs.layers.mlp import GatedMlp, PackedGatedMlp
from mistralrs.layers.norm import RmsNorm
from mistralrs.layers.rope import Rope, RopeScaling

__all__ = ["Embedding", "GatedMlp", "Linear", "PackedGatedMlp", "RmsNorm", "Rope", "RopeScaling"]
