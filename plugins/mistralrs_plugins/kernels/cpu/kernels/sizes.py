"""Sizes that kernels and the programs around them must agree on. Imports no numba."""

ROWS = 8
"""Weight rows side by side in a packed weight."""
