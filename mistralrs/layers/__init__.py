"""Leaf layers: they own weights, know neither configs nor checkpoints, and compute through a step's ops only."""

from mistralrs.layers.compose import Chain, Clamp, Scale
from mistralrs.layers.embedding import Embedding, PositionedEmbedding
from mistralrs.layers.linear import Linear
from mistralrs.layers.mlp import Activation, GatedMlp, Mlp, PackedGatedMlp, Xielu
from mistralrs.layers.norm import LayerNorm, RmsNorm
from mistralrs.layers.rope import FixedAngles, Rope
from mistralrs.layers.rope_by_length import DynamicAngles, LongAngles

__all__ = [
    "Activation",
    "Chain",
    "Clamp",
    "DynamicAngles",
    "Embedding",
    "FixedAngles",
    "GatedMlp",
    "LayerNorm",
    "Linear",
    "LongAngles",
    "Mlp",
    "PackedGatedMlp",
    "PositionedEmbedding",
    "RmsNorm",
    "Rope",
    "Scale",
    "Xielu",
]
