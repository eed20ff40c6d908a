"""What a scan over time owns besides its inputs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class ScanWeights:
    """The constants of one layer's scan, all float32.

    ``a`` is the negative rate of decay, ``dt_bias`` is added to the step sizes, ``d`` lets the input through; step
    sizes stay within ``limits``. Heads that share a key are neighbours; with ``in_turns``, head
    ``i`` takes key ``i % keys``.
    """

    a: Tensor
    dt_bias: Tensor | None = None
    d: Tensor | None = None
    limits: tuple[float, float] = (0.0, math.inf)
    in_turns: bool = False
