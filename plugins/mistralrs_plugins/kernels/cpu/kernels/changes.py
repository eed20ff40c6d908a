"""Changes single logits: DRY, penalties and biases of one row a chunk, and the way back.

What is changed is noted in the order of the changes, place and former value, in the room that a row's record names. A
number that is not finite is left as it is: choosing a token has to meet it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
from mistralrs_plugins.kernels.cpu.jit.memory import load_f32, load_f64, load_i64, store_f32, store_i64
from mistralrs_plugins.kernels.cpu.kernels.sizes import DRY_LONGEST_MATCH

_LARGEST = 1e30
_INFINITY = np.float32(np.inf)


@inline
def _set(logits: Any, place: Any, value: Any, places: Any, values: Any, at: Any) -> None:
    """Change the logit at ``place`` and note what it was."""
    before = load_f32(logits + 4 * place)
    store_i64(places + 8 * at, place)
    store_f32(values + 4 * at, before)
    if -_INFINITY < before < _INFINITY:
        store_f32(logits + 4 * place, np.float32(max(-_LARGEST, min(_LARGEST, value))))


@inline
def _among(token: Any, first: Any, last: Any) -> Any:
    """Whether ``token`` is one of the rising numbers from address ``first`` to before ``last``."""
    while first < last:
        middle = first + (last - first) // 16 * 8
        found = load_i64(middle)
        if found == token:
            return True
        if found < token:
            first = middle + 8
        else:
            last = middle
    return False


@part
def _reach(history: Any, size: Any, breakers: Any, breakers_end: Any) -> Any:
    """How long a repetition of the end of the history can be before a breaker ends it."""
    length = 1
    while length < min(DRY_LONGEST_MATCH, size):
        if _among(load_i64(history + 8 * (size - 1 - length)), breakers, breakers_end):
            break
        length += 1
    return length


@part
def _repeated(history: Any, size: Any, place: Any, reach: Any) -> Any:
    """How many tokens up to ``place`` are those up to the end of the history."""
    length = 1
    while length < reach and length <= place:
        if load_i64(history + 8 * (place - length)) != load_i64(history + 8 * (size - 1 - length)):
            break
        length += 1
    return length


@part
def _dry(
    logits: Any, row: Any, vocab: Any, settings: Any, history: Any, size: Any, breakers: Any, breakers_end: Any,
    places: Any, values: Any, longest: Any,
) -> Any:  # fmt: skip
    """Penalise what would prolong a repetition; returns how many places were noted. ``longest`` has a number for each
    token of the vocabulary: the longest repetition that it would prolong."""
    multiplier, base, allowed = load_f64(settings), load_f64(settings + 8), np.int64(load_f64(settings + 16))
    reach = _reach(history, size, breakers, breakers_end)
    final, count = load_i64(history + 8 * (size - 1)), 0
    for stage in range(3):
        for place in range(size - 1):
            if load_i64(history + 8 * place) != final:
                continue
            token = load_i64(history + 8 * place + 8)
            if token < 0 or token >= vocab or _among(token, breakers, breakers_end):
                continue
            known = longest + 8 * token
            if stage == 0:
                store_i64(known, 0)
            elif stage == 1:
                store_i64(known, max(load_i64(known), _repeated(history, size, place, reach)))
            elif load_i64(known) > 0:
                excess = load_i64(known) - allowed
                store_i64(known, 0)
                if excess >= 0:
                    penalty = min(_LARGEST, multiplier * base ** np.float64(excess))
                    at = row * vocab + token
                    _set(logits, at, np.float64(load_f32(logits + 4 * at)) - penalty, places, values, count)
                    count += 1
    return count


@part
def _penalise(
    logits: Any, row: Any, vocab: Any, settings: Any, seen: Any, counts: Any, size: Any, places: Any, values: Any,
    count: Any,
) -> Any:  # fmt: skip
    factor, presence, frequency = load_f64(settings + 24), load_f64(settings + 32), load_f64(settings + 40)
    for i in range(size):
        token, times = load_i64(seen + 8 * i), load_i64(counts + 8 * i)
        if 0 <= token < vocab:
            at = row * vocab + token
            value = np.float64(load_f32(logits + 4 * at)) - np.float64(times) * frequency
            if times > 0:
                value -= presence
            _set(logits, at, value / factor if value > 0 else value * factor, places, values, count)
            count += 1
    return count


@part
def _favour(
    logits: Any, row: Any, vocab: Any, biased: Any, bias: Any, size: Any, places: Any, values: Any, count: Any
) -> Any:
    for i in range(size):
        token = load_i64(biased + 8 * i)
        if 0 <= token < vocab:
            at = row * vocab + token
            value = np.float64(load_f32(logits + 4 * at)) + load_f64(bias + 8 * i)
            _set(logits, at, value, places, values, count)
            count += 1
    return count


def adjust(args: int, chunk: int, thread: int) -> None:
    """One row. Arguments: logits, tokens in a row; the addresses of rows' records (0: none), which are those of
    :class:`mistralrs.ops.LiveChanges`; scratch memory, its size."""
    logits, vocab, record = load_i64(args), load_i64(args + 8), load_i64(load_i64(args + 16) + 8 * chunk)
    longest = load_i64(args + 24) + thread * load_i64(args + 32)
    if record != 0:
        history, size = load_i64(record + 48), load_i64(record + 56)
        breakers, seen, biased = load_i64(record + 64), load_i64(record + 80), load_i64(record + 104)
        places, values, count = load_i64(record + 128), load_i64(record + 136), 0
        if size > 0 and load_f64(record) != 0:
            end = breakers + 8 * load_i64(record + 72)
            count = _dry(logits, chunk, vocab, record, history, size, breakers, end, places, values, longest)
        counts, many = load_i64(record + 88), load_i64(record + 96)
        count = _penalise(logits, chunk, vocab, record, seen, counts, many, places, values, count)
        bias, many = load_i64(record + 112), load_i64(record + 120)
        store_i64(record + 144, _favour(logits, chunk, vocab, biased, bias, many, places, values, count))


@inline
def _put_back(logits: Any, places: Any, values: Any, count: Any) -> None:
    """Restore ``count`` values, the last first; places below 0 are none."""
    for i in range(count - 1, -1, -1):
        place = load_i64(places + 8 * i)
        if place >= 0:
            store_f32(logits + 4 * place, load_f32(values + 4 * i))


def undo(args: int, chunk: int, thread: int) -> None:
    """Put back what was changed in one row. Arguments: logits; the addresses of rows' records (0: none)."""
    record = load_i64(load_i64(args + 8) + 8 * chunk)
    if record != 0:
        _put_back(load_i64(args), load_i64(record + 128), load_i64(record + 136), load_i64(record + 144))


def restore(args: int, chunk: int, thread: int) -> None:
    """Put values back, the last first. Arguments: logits; places (below 0: none), values, how many."""
    _put_back(load_i64(args), load_i64(args + 8), load_i64(args + 16), load_i64(args + 24))
