"""llama.cpp's own HTTP server, through xllamacpp: MODEL PORT SLOTS THREADS. Runs until it is killed.

Run with the interpreter of the peer's environment: nothing of this project may be imported.
"""

from __future__ import annotations

import sys
import time

import xllamacpp

CONTEXT_OF_A_SLOT = 1024


def main() -> None:
    """Serve."""
    model, port, slots, threads = sys.argv[1], *map(int, sys.argv[2:])
    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_parallel = slots
    parameters.n_ctx = CONTEXT_OF_A_SLOT * slots
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
    parameters.verbosity = -1
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    main()
