"""CPU kernels, written in Python and compiled by numba."""
