"""What sources and formats hand over: local files, and an opened checkpoint whose tensors are not yet converted.

Imports no torch, so that a wrong or damaged file is found before the slow imports begin.
"""

from mistralrs.checkpoint.checkpoint import Checkpoint, TensorInfo
from mistralrs.checkpoint.files import CachedModel, FetchRequest, ModelFiles, Progress, Source, no_progress

__all__ = [
    "CachedModel",
    "Checkpoint",
    "FetchRequest",
    "ModelFiles",
    "Progress",
    "Source",
    "TensorInfo",
    "no_progress",
]
