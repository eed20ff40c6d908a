"""Leaf layers: they own weights, know neither configs nor checkpoints, and compute through a step's ops only."""

from mistralrs.layers.compose import Chain, Clamp, Scale
from mistralrs.layers.conv import CausalConv
from mistralrs.layers.embedding import Embedding, PositionedEmbedding
from mistralrs.layers.linear import Linear, weight_of
from mistralrs.layers.mlp import Activation, GatedMlp, Mlp, PackedGatedMlp, Xielu
from mistralrs.layers.moe import ExpertLinear, GatedExperts, PackedGatedExperts, Router, SparseMlp, SwitchedMlp
from mistralrs.layers.norm import LayerNorm, RmsNorm
from mistralrs.layers.rope import FixedAngles, Rope
from mistralrs.layers.rope_by_length import DynamicAngles, LongAngles

__all__ = [
    "Activation",
    "CausalConv",
    "Chain",
    "Clamp",
    "DynamicAngles",
    "Embedding",
    "ExpertLinear",
    "FixedAngles",
    "GatedExperts",
    "GatedMlp",
    "LayerNorm",
    "Linear",
    "LongAngles",
    "Mlp",
    "PackedGatedExperts",
    "PackedGatedMlp",
    "PositionedEmbedding",
    "RmsNorm",
    "Rope",
    "Router",
    "Scale",
    "SparseMlp",
    "SwitchedMlp",
    "Xielu",
    "weight_of",
]
