"""Runs programs of kernels on several threads, without Python.

A program is a list of stages; a stage is some kernels, each cut into chunks, all of which may run at the same time.
Threads walk the stages side by side. Each claims chunk after chunk of the stage, and goes on once all chunks are done.
Nobody waits for a *thread*: one that lost its processor while it held no chunk is simply passed, and finds its way
back when it wakes up. That is what keeps a step fast on a busy machine.

Every run of a program has a generation. Counters carry it in their upper half, so a late thread cannot claim a chunk
of a run it does not know: it sees the other generation and leaves. Words of memory (all int64)::

    pool      0 generation, slept on   8 program (0: none)   16 threads inside   24 stop   32 sleeping threads
    program   0 stages                 1 address of stages   2 address of calls  3 address of the step's numbers
              4 code to run first (0: none)              5 its arguments
    stage     0 claimed chunks         8 finished chunks    16 chunks           17 first call           18 calls
              24 threads that sleep until all chunks are finished
    call      0 code   1 arguments   2 chunks whatever happens   3.. chunks for each unit of the step's first numbers
              15 chunks this time
"""

from __future__ import annotations

from typing import Any

from mistralrs_plugins.kernels.cpu.jit.compiler import inline
from mistralrs_plugins.kernels.cpu.jit.memory import load_i64, store_i64
from mistralrs_plugins.kernels.cpu.jit.sync import (
    atomic_add,
    atomic_load,
    atomic_store,
    atomic_swap,
    call_kernel,
    doze_while,
    pause,
    sleep_while,
    wake_all,
)

STAGE_BYTES = 256
CALL_BYTES = 128
FACTORS = 4
"""How many of the step's numbers may scale a call's chunks."""

_SPINS_IN_STEP = 2000  # about 30 microseconds before a thread goes to sleep
_SPINS_BETWEEN = 8000  # workers stay awake a little between steps: waking up costs more than sampling takes
_LOW = 0xFFFFFFFF


@inline
def _begin(program: Any, generation: Any) -> None:
    """Count this run's chunks and reset the counters."""
    stages, calls, numbers = load_i64(program + 8), load_i64(program + 16), load_i64(program + 24)
    for s in range(load_i64(program)):
        stage = stages + s * STAGE_BYTES
        # First the counter: a late thread that reads the new number of chunks must find its generation gone.
        atomic_store(stage, generation << 32)
        first, total = load_i64(stage + 136), 0
        for c in range(first, first + load_i64(stage + 144)):
            call = calls + c * CALL_BYTES
            chunks = load_i64(call + 16)
            for i in range(FACTORS):
                chunks += load_i64(call + 24 + 8 * i) * load_i64(numbers + 8 * i)
            store_i64(call + 120, chunks)
            total += chunks
        store_i64(stage + 128, total)
        atomic_store(stage + 64, generation << 32)


@inline
def _claim(stage: Any, generation: Any) -> Any:
    """The next chunk of a stage; -1 when there is none left, -2 when another run has begun."""
    while True:
        seen = atomic_load(stage)
        if seen >> 32 != generation:
            return -2
        chunk = seen & _LOW
        if chunk >= load_i64(stage + 128):
            return -1
        if atomic_swap(stage, seen, seen + 1):
            return chunk


@inline
def _wait(stage: Any, generation: Any) -> Any:
    """Wait until all chunks of a stage are done. False when another run has begun.

    Who waits long sleeps: the processor may be what the thread with the last chunk needs. Nobody is woken for a run
    that is over already, so nobody sleeps for long.
    """
    spins = 0
    while True:
        seen = atomic_load(stage + 64)
        if seen >> 32 != generation:
            return False
        if seen & _LOW >= load_i64(stage + 128):
            return True
        spins += 1
        if spins < _SPINS_IN_STEP:
            pause()
        else:
            atomic_add(stage + 192, 1)
            doze_while(stage + 64, seen)
            atomic_add(stage + 192, -1)


@inline
def _walk(program: Any, generation: Any, thread: Any) -> None:
    """Take part in one run, from the first stage to the last."""
    stages, calls = load_i64(program + 8), load_i64(program + 16)
    for s in range(load_i64(program)):
        stage = stages + s * STAGE_BYTES
        call = calls + load_i64(stage + 136) * CALL_BYTES
        start = 0
        while True:
            chunk = _claim(stage, generation)
            if chunk == -2:
                return
            if chunk == -1:
                break
            while chunk >= start + load_i64(call + 120):
                start += load_i64(call + 120)
                call += CALL_BYTES
            call_kernel(load_i64(call), load_i64(call + 8), chunk - start, thread)
            finished = (atomic_add(stage + 64, 1) & _LOW) + 1
            if finished == load_i64(stage + 128) and atomic_load(stage + 192) > 0:
                wake_all(stage + 64)
        if not _wait(stage, generation):
            return


def launch(pool: int, program: int) -> None:
    """Run a program and return when it is done. The calling thread is thread 0 of it."""
    generation = (load_i64(pool) + 1) & 0x3FFFFFFF
    if load_i64(program + 32) != 0:
        call_kernel(load_i64(program + 32), load_i64(program + 40), 0, 0)
    _begin(program, generation)
    atomic_store(pool + 64, program)
    atomic_store(pool, generation)
    if atomic_load(pool + 256) > 0:
        wake_all(pool)
    _walk(program, generation, 0)
    atomic_store(pool + 64, 0)


def serve(pool: int, thread: int) -> None:
    """A worker's life: wait for programs and take part in them, until the pool is stopped."""
    seen = 0
    while atomic_load(pool + 192) == 0:
        spins = 0
        while atomic_load(pool) == seen and atomic_load(pool + 192) == 0:
            spins += 1
            if spins < _SPINS_BETWEEN:
                pause()
            else:
                atomic_add(pool + 256, 1)
                sleep_while(pool, seen)
                atomic_add(pool + 256, -1)
        atomic_add(pool + 128, 1)
        seen = atomic_load(pool)
        program = atomic_load(pool + 64)
        if program != 0:
            _walk(program, seen, thread)
        atomic_add(pool + 128, -1)


def stop(pool: int) -> None:
    """Let the workers return."""
    atomic_store(pool + 192, 1)
    atomic_store(pool, load_i64(pool) + 1)
    wake_all(pool)
