"""Holds Ctrl-C back while two threads import.

A KeyboardInterrupt inside the import machinery can be swallowed, or leave an import lock taken for ever: with a
second thread importing, the process would then hang instead of ending.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self


class HeldInterrupts:
    """Inside the block Ctrl-C only sets ``pending``; leaving the block raises the KeyboardInterrupt that is due.

    Does nothing outside of the main thread, which never gets a Ctrl-C.
    """

    def __init__(self) -> None:
        self.pending = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        if self.pending:
            raise KeyboardInterrupt

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.pending = True
