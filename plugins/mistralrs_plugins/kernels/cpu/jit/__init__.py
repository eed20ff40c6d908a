"""The small language kernels are written in, and its compiler: vectors, memory, atomics, machine code on disk."""
