"""The one pool of threads that compiled kernels run on, whatever number of engines a process has."""

from __future__ import annotations

import atexit
import logging
import os
import threading

import numpy as np

from mistralrs.errors import UsageError
from mistralrs_plugins.kernels.cpu.jit.code import kernel_function
from mistralrs_plugins.kernels.cpu.jit.cpus import usable_cpus

log = logging.getLogger(__name__)

_POOL_WORDS = 64


class Pool:
    """Threads that wait for programs (see :mod:`.kernels.executor`). The caller of :meth:`run` is one of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._words = np.zeros(_POOL_WORDS, np.int64)
        self._address = self._words.ctypes.data
        self._lock = threading.Lock()
        self._launch = kernel_function("executor:launch", 2)
        self._stop = kernel_function("executor:stop", 1)
        serve = kernel_function("executor:serve", 2)
        self._workers = [
            threading.Thread(target=serve, args=(self._address, index), name=f"mistralrs-cpu-{index}", daemon=True)
            for index in range(1, size)
        ]
        for worker in self._workers:
            worker.start()

    def run(self, program: int) -> None:
        """Run the program at address ``program``; one at a time, others wait their turn."""
        with self._lock:
            self._launch(self._address, program)

    def settle(self) -> None:
        """Return when no worker can still be looking at an earlier program, so that its memory may go."""
        with self._lock:
            while self._words[16]:
                os.sched_yield()

    def close(self) -> None:
        """End the threads. The pool cannot be used after that."""
        with self._lock:
            self._stop(self._address)
            for worker in self._workers:
                worker.join()


class _Shared:
    """The process's pool, made when it is first needed."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.pool: Pool | None = None
        self.wanted: int | None = None

    def get(self) -> Pool:
        with self.lock:
            if self.pool is None:
                self.pool = Pool(self.wanted or _from_environment() or usable_cpus())
                log.info("compiled kernels run on %d threads", self.pool.size)
            return self.pool

    def close(self) -> None:
        with self.lock:
            if self.pool is not None:
                self.pool.close()
                self.pool = None

    def forget(self) -> None:
        """After a fork: the child has none of the threads, and perhaps a lock that nobody will release."""
        self.__init__()  # type: ignore[misc]


_shared = _Shared()
atexit.register(_shared.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared.forget)


def shared_pool() -> Pool:
    """The pool of this process. Raises UsageError when ``MISTRALRS_NUM_THREADS`` is no positive number."""
    return _shared.get()


def set_threads(count: int) -> None:
    """Use ``count`` threads from the next step on. Raises UsageError when it is not positive."""
    if count < 1:
        raise UsageError(f"the number of threads is {count}", "give a positive number")
    _shared.close()
    _shared.wanted = count


def reset() -> None:
    """Choose the number of threads anew: the environment's, or as many as there are CPUs to use."""
    _shared.close()
    _shared.wanted = None


def _from_environment() -> int | None:
    given = os.environ.get("MISTRALRS_NUM_THREADS")
    if not given:
        return None
    if not given.isdigit() or not int(given):
        raise UsageError(f"MISTRALRS_NUM_THREADS is {given!r}", "set it to a positive number, or unset it")
    return int(given)
