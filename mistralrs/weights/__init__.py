"""From a checkpoint to finished layers: the weight builder, its sources, and what a build would need."""

from mistralrs.weights.builder import Request, WeightBuilder
from mistralrs.weights.quant import Dense, QuantMethod
from mistralrs.weights.source import CheckpointSource, DictSource, MetaSource, TensorSource
from mistralrs.weights.trace import Sizes, measure

__all__ = [
    "CheckpointSource",
    "Dense",
    "DictSource",
    "MetaSource",
    "QuantMethod",
    "Request",
    "Sizes",
    "TensorSource",
    "WeightBuilder",
    "measure",
]
