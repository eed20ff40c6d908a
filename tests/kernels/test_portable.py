"""The tests of products and of whole models, with the portable vocabulary.

It is chosen at the start of a process, so they run in one of their own. The integer product and the look-up in a table
are all that the vocabularies do not share, so nothing but products and rows of weights depends on the choice.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_portable_products() -> None:
    files = [str(HERE / name) for name in ("test_products.py", "test_prompts.py")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    environment = {**os.environ, "MISTRALRS_SIMD": "portable"}
    subprocess.run(command, env=environment, check=True, timeout=880, cwd=HERE.parents[1])
