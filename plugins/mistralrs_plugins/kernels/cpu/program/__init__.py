"""From a recorded step to a program of kernels: lowering, buffers, stages."""
