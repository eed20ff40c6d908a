"""Sizes that a kernel and the program that makes room for it must agree on. Imports no numba."""

TILE_ROWS = 24
"""Weight rows decoded at a time for prompts: with rows of up to 2000 values they fit into the second-level cache."""
