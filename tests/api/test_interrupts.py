"""Ctrl-C waits for the end of the block, and is not lost."""

from __future__ import annotations

import signal
import threading

import pytest

from mistralrs.api.interrupts import HeldInterrupts


def test_an_interrupt_is_held_back_and_then_raised() -> None:
    handler = signal.getsignal(signal.SIGINT)
    interrupts = HeldInterrupts()
    interrupts.__enter__()
    signal.raise_signal(signal.SIGINT)
    assert interrupts.pending
    with pytest.raises(KeyboardInterrupt):
        interrupts.__exit__(None, None, None)
    assert signal.getsignal(signal.SIGINT) is handler


def test_nothing_happens_on_other_threads() -> None:
    seen: list[bool] = []

    def work() -> None:
        with HeldInterrupts() as interrupts:
            seen.append(interrupts.pending)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]
