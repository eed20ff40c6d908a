"""Progress of a whole fetch, fed by the per-file bars that huggingface_hub creates."""

from __future__ import annotations

from typing import Any

from mistralrs.checkpoint import Progress


class Meter:
    """Adds up the bytes of several files."""

    def __init__(self, label: str, progress: Progress) -> None:
        self.done = 0
        self.total = 0
        self._label = label
        self._progress = progress

    def reach(self, done: int) -> None:
        """Report that ``done`` bytes of the total are here."""
        if done != self.done:
            self.done = done
            self._progress(self._label, done, self.total)

    def bar_class(self) -> Any:
        """A class to hand over as ``tqdm_class``: its instances draw nothing and count here."""
        meter = self

        class Bar:
            def __init__(self, *args: object, initial: int = 0, total: float | None = None, **kwargs: object) -> None:
                self.n = initial
                self.total = total
                meter.reach(meter.done + initial)

            def update(self, n: float | None = 1) -> None:
                meter.reach(meter.done + int(n or 0))

            def update_transfer(self, n: float) -> None:
                """Ignored; its presence tells the hub that bytes received and bytes written share one bar."""

            def __enter__(self) -> Bar:
                return self

            def __exit__(self, *exc_info: object) -> None:
                """Nothing to close."""

            def __getattr__(self, name: str) -> Any:
                return _ignore  # whatever else a bar can do concerns how it is drawn

        return Bar


def _ignore(*args: object, **kwargs: object) -> None:
    pass
