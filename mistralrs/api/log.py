"""The request log of ``--log``: every request and its answer, one JSON object a line."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mistralrs.errors import UsageError


class RequestLog:
    """Appends to a file that only its owner can read. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        try:
            path.touch(mode=0o600)
            self._file = path.open("a", encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise UsageError(f"--log: cannot write {path}: {error.strerror}") from error
        self._lock = threading.Lock()

    def write(self, **entry: Any) -> None:
        """Append one entry with the time it is written."""
        line = json.dumps({"time": datetime.now(UTC).isoformat(), **entry}, ensure_ascii=False)
        with self._lock:
            self._file.write(line + "\n")
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
