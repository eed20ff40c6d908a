"""Four-bit floats under a shared power of two: MXFP4 (OCP Microscaling Formats 1.0), as ggml keeps it.

A code is a sign, two bits of exponent and one of mantissa, E2M1. ggml reads it as twice its value, which is an integer,
and halves the scale for that.
"""

from __future__ import annotations

from mistralrs_plugins.kernels.cpu.jit.vocabulary import lookup

TWICE_E2M1 = (0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12)
"""Twice the values of the 16 codes. There is no negative zero."""

twice_e2m1 = lookup(TWICE_E2M1)
