"""A process that compiles kernels for another: ``python -m`` this module.

It reads names, a line each, and answers each with the length of the object (8 bytes, the smallest first) and the
object. A length of 0 says that compiling failed.
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Serve until there are no more names."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever prints does not get between the answers
    from mistralrs_plugins.kernels.cpu.jit.code import compiled

    for line in sys.stdin:
        try:
            code = compiled(line.strip())
        except Exception:
            code = b""
        answers.write(len(code).to_bytes(8, "little") + code)
        answers.flush()


if __name__ == "__main__":
    main()
