"""Leaf layers: they own weights, know neither configs nor checkpoints, and compute through a step's ops only."""

from mistralrs.layers.embedding import Embedding
from mistralrs.layers.linear import Linear
from mistralrs.layers.mlp import GatedMlp, PackedGatedMlp
from mistralrs.layers.norm import RmsNorm
from mistralrs.layers.rope import FixedAngles, Rope
from mistralrs.layers.rope_by_length import DynamicAngles, LongAngles

__all__ = [
    "DynamicAngles",
    "Embedding",
    "FixedAngles",
    "GatedMlp",
    "Linear",
    "LongAngles",
    "PackedGatedMlp",
    "RmsNorm",
    "Rope",
]
