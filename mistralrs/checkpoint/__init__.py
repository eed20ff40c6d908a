"""What sources and formats hand over: local files, and an opened checkpoint whose tensors are not yet converted.

Imports no torch, so that a wrong or damaged file is found before the slow imports begin.
"""

from mistralrs.checkpoint.checkpoint import Checkpoint, TensorInfo
from mistralrs.checkpoint.files import CachedModel, FetchRequest, ModelFiles, Progress, Source, no_progress
from mistralrs.checkpoint.folders import files_below, oldest_first

__all__ = [
    "CachedModel",
    "Checkpoint",
    "FetchRequest",
    "ModelFiles",
    "Progress",
    "Source",
    "TensorInfo",
    "files_below",
    "no_progress",
    "oldest_first",
]
