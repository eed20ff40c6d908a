"""Only stacks of experts are stored as MXFP4, and those are read by the architecture: its projections are plain."""

from collections.abc import Mapping
from typing import Any

from mistralrs.weights import Dense


def expert_blocks(settings: Mapping[str, Any]) -> Dense:
    """The method of every projection that is none of an expert's."""
    return Dense()
