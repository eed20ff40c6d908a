"""The operations that layers are written against, and the table that says which kernel runs each of them."""

from mistralrs.ops.adjustments import Adjustments, RowChanges
from mistralrs.ops.live import Choice, LiveChanges
from mistralrs.ops.meta import AttentionMeta, LayerCache, StateCache
from mistralrs.ops.ops import Ops
from mistralrs.ops.program import Program
from mistralrs.ops.recorder import Recording, RecordingRefused, record
from mistralrs.ops.scan import ScanWeights
from mistralrs.ops.slot import Slot
from mistralrs.ops.spec import AttentionSpec, CacheSpec, PagedSpec, RouterSpec, StateSpec
from mistralrs.ops.step import Rotary, Step, StepContext, StepOutput
from mistralrs.ops.table import Backend, OpTable
from mistralrs.ops.weight import Weight, WeightStack

__all__ = [
    "Adjustments",
    "AttentionMeta",
    "AttentionSpec",
    "Backend",
    "CacheSpec",
    "Choice",
    "LayerCache",
    "LiveChanges",
    "OpTable",
    "Ops",
    "PagedSpec",
    "Program",
    "Recording",
    "RecordingRefused",
    "Rotary",
    "RouterSpec",
    "RowChanges",
    "ScanWeights",
    "Slot",
    "StateCache",
    "StateSpec",
    "Step",
    "StepContext",
    "StepOutput",
    "Weight",
    "WeightStack",
    "record",
]
