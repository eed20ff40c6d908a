"""The ``mistralrs`` command with a scripted engine instead of a model; for tests that need a real process.

``python scripted_main.py DELAY ARGUMENT...``
"""

from __future__ import annotations

import sys
from typing import Any

from mistralrs.api.engine import LocalEngine
from mistralrs.cli.main import run
from tests.api.fakes import ScriptedLoop, scripted_engine

PIECES = ["The", " quick", " brown", " fox"] * 50


def _open(cls: type[LocalEngine], *arguments: Any, **options: Any) -> LocalEngine:
    return scripted_engine(ScriptedLoop(PIECES, delay=float(sys.argv[1])))


if __name__ == "__main__":
    LocalEngine.open = classmethod(_open)  # type: ignore[method-assign, assignment]
    sys.exit(run(sys.argv[2:]))
