"""What kernels import: the operations of which the machine at hand has its own form."""

from __future__ import annotations

from typing import Any

from mistralrs_plugins.kernels.cpu.jit import avx2, portable
from mistralrs_plugins.kernels.cpu.jit.target import simd

_machine: Any = avx2 if simd() == "avx2" else portable

dot_pairs, lookup = _machine.dot_pairs, _machine.lookup
