"""Mixtures of experts inside a step: the choice of experts, rows sorted by expert, their products, and their sums.

How many rows an expert gets is known when the step runs. A table of int64 says it, for ``n`` experts::

    starts   [n + 1]   an expert's first row among the sorted ones, and where the last one's end
    used     [n]       the experts that have rows, in their order
    count    [1]       how many these are
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mistralrs_plugins.kernels.cpu.jit.compiler import inline, part
from mistralrs_plugins.kernels.cpu.jit.lanes import first_lane, splat
from mistralrs_plugins.kernels.cpu.jit.memory import (
    load_f32,
    load_f32x8,
    load_i64,
    store_f32,
    store_f32x8,
    store_i64,
)
from mistralrs_plugins.kernels.cpu.jit.sync import call_kernel
from mistralrs_plugins.kernels.cpu.kernels.activations import quantize_blocks
from mistralrs_plugins.kernels.cpu.kernels.functions import exp, sigmoid
from mistralrs_plugins.kernels.cpu.kernels.sizes import EXPERT_WORDS, PRODUCT_WORDS

_LOWEST = np.float32(-np.inf)
_LEAST_SUM = np.float32(1e-20)


@inline
def _take_best(values: Any, first: Any, last: Any) -> Any:
    """Where the largest of some floats is, the first of equal ones. NaN counts as larger than all, so that it shows."""
    best = first
    for i in range(first + 1, last):
        value = load_f32(values + 4 * i)
        if value > load_f32(values + 4 * best) or value != value:
            best = i
    return best


@part
def _scores(logits: Any, experts: Any, sigmoids: Any, scores: Any) -> None:
    """The sigmoid of each logit, or the softmax over all."""
    if sigmoids != 0:
        for i in range(experts):
            store_f32(scores + 4 * i, first_lane(sigmoid(splat(load_f32(logits + 4 * i)))))
        return
    top = load_f32(logits + 4 * _take_best(logits, 0, experts))
    total = np.float32(0)
    for i in range(experts):
        value = first_lane(exp(splat(load_f32(logits + 4 * i) - top)))
        store_f32(scores + 4 * i, value)
        total += value
    for i in range(experts):
        store_f32(scores + 4 * i, load_f32(scores + 4 * i) / total)


@part
def _leave_best_groups(preference: Any, experts: Any, groups: Any, kept: Any, best_of: Any, work: Any) -> None:
    """Rule out the experts of all but the ``kept`` best groups; a group's worth is the sum of its ``best_of`` best.

    ``work`` has room for a float for each expert and each group (DeepSeek-V2, arXiv 2405.04434, section 2.2.2).
    """
    size, worth = experts // groups, work + 4 * experts
    for i in range(experts):
        store_f32(work + 4 * i, load_f32(preference + 4 * i))
    for group in range(groups):
        total = np.float32(0)
        for _ in range(best_of):
            best = _take_best(work, group * size, group * size + size)
            total += load_f32(work + 4 * best)
            store_f32(work + 4 * best, _LOWEST)
        store_f32(worth + 4 * group, total)
    for _ in range(groups - kept):
        worst = 0
        for group in range(1, groups):
            # The last of equal ones goes first.
            if load_f32(worth + 4 * group) <= load_f32(worth + 4 * worst):
                worst = group
        store_f32(worth + 4 * worst, -_LOWEST)
        for i in range(worst * size, worst * size + size):
            store_f32(preference + 4 * i, _LOWEST)


def route(args: int, chunk: int, thread: int) -> None:
    """Experts of one token a chunk, and their weights.

    Arguments: logits, their stride; experts; bias for the choice (0: none); how many are chosen; whether scores are
    sigmoids; whether weights are normed; factor of the weights; groups, how many are kept, of how many experts a
    group's worth is; target of the weights, its stride; target of the int64 numbers, its stride; scratch memory for
    three floats an expert and one a group, its size for each thread.
    """
    experts, bias, wanted = load_i64(args + 16), load_i64(args + 24), load_i64(args + 32)
    weights = load_i64(args + 88) + chunk * load_i64(args + 96)
    chosen = load_i64(args + 104) + chunk * load_i64(args + 112)
    scores = load_i64(args + 120) + thread * load_i64(args + 128)
    preference = scores + 4 * experts
    _scores(load_i64(args) + chunk * load_i64(args + 8), experts, load_i64(args + 40), scores)
    for i in range(experts):
        value = load_f32(scores + 4 * i)
        if bias != 0:
            value += load_f32(bias + 4 * i)
        store_f32(preference + 4 * i, value)
    groups = load_i64(args + 64)
    if groups > 1:
        work = preference + 4 * experts
        _leave_best_groups(preference, experts, groups, load_i64(args + 72), load_i64(args + 80), work)
    total = np.float32(0)
    for j in range(wanted):
        best = _take_best(preference, 0, experts)
        store_f32(preference + 4 * best, _LOWEST)
        store_i64(chosen + 8 * j, best)
        store_f32(weights + 4 * j, load_f32(scores + 4 * best))
        total += load_f32(scores + 4 * best)
    factor = load_f32(args + 56)
    if load_i64(args + 48) != 0:
        factor /= _LEAST_SUM if total < _LEAST_SUM else total
    for j in range(wanted):
        store_f32(weights + 4 * j, load_f32(weights + 4 * j) * factor)


def sort(args: int, chunk: int, thread: int) -> None:
    """Put the rows of all tokens into the order of their experts, in one chunk.

    Arguments: address of the number of tokens; chosen experts, their stride; how many of each token; experts; table;
    target: for each token's choices their places among the sorted rows, its stride; target: for each sorted row which
    choice it is, counted over all tokens.
    """
    tokens, chosen, stride = load_i64(load_i64(args)), load_i64(args + 8), load_i64(args + 16)
    each, experts, starts = load_i64(args + 24), load_i64(args + 32), load_i64(args + 40)
    places, places_stride, sources = load_i64(args + 48), load_i64(args + 56), load_i64(args + 64)
    used = starts + 8 * (experts + 1)
    for e in range(experts + 1):
        store_i64(starts + 8 * e, 0)
    for token in range(tokens):
        for j in range(each):
            at = starts + 8 * (load_i64(chosen + token * stride + 8 * j) + 1)
            store_i64(at, load_i64(at) + 1)
    for e in range(experts):
        store_i64(starts + 8 * e + 8, load_i64(starts + 8 * e) + load_i64(starts + 8 * e + 8))
        store_i64(used + 8 * e, load_i64(starts + 8 * e))  # for now: where the expert's next row goes
    for token in range(tokens):
        for j in range(each):
            at = used + 8 * load_i64(chosen + token * stride + 8 * j)
            place = load_i64(at)
            store_i64(at, place + 1)
            store_i64(places + token * places_stride + 8 * j, place)
            store_i64(sources + 8 * place, token * each + j)
    count = 0
    for e in range(experts):
        if load_i64(starts + 8 * e) < load_i64(starts + 8 * e + 8):
            store_i64(used + 8 * count, e)
            count += 1
    store_i64(used + 8 * experts, count)


def gather(args: int, chunk: int, thread: int) -> None:
    """One sorted row a chunk. Arguments: source, its stride; which choice each row is; choices of a token; weights of
    the choices (0: none), their stride; width; target, its stride; target of the integers (0: none), its stride."""
    choice, each = load_i64(load_i64(args + 16) + 8 * chunk), load_i64(args + 24)
    token, weights, width = choice // each, load_i64(args + 32), load_i64(args + 48)
    source, target = load_i64(args) + token * load_i64(args + 8), load_i64(args + 56) + chunk * load_i64(args + 64)
    factor = np.float32(1)
    if weights != 0:
        factor = load_f32(weights + token * load_i64(args + 40) + 4 * (choice % each))
    whole = width // 8 * 8
    for i in range(0, whole, 8):
        store_f32x8(target + 4 * i, load_f32x8(source + 4 * i) * splat(factor))
    for i in range(whole, width):
        store_f32(target + 4 * i, load_f32(source + 4 * i) * factor)
    quantized = load_i64(args + 72)
    if quantized != 0:
        quantize_blocks(target, width, quantized + chunk * load_i64(args + 80), 0, width // 32)


def product(args: int, chunk: int, thread: int) -> None:
    """A piece of one expert's product a chunk, for as many experts as have rows; what is beyond them is nothing.

    Arguments: code of the product's kernel; pieces of a weight; table, experts; addresses of the weights; biases (0:
    none), bytes of each; then the arguments of that kernel, for all sorted rows at once and without a weight. Its
    scratch memory has room for ``EXPERT_WORDS`` at the beginning.
    """
    code, pieces, starts, experts = load_i64(args), load_i64(args + 8), load_i64(args + 16), load_i64(args + 24)
    used, slot = starts + 8 * (experts + 1), chunk // pieces
    if slot >= load_i64(used + 8 * experts):
        return
    expert = load_i64(used + 8 * slot)
    first = load_i64(starts + 8 * expert)
    given = args + 56
    scratch, size = load_i64(given + 104), load_i64(given + 112)
    own = scratch + thread * size
    for word in range(PRODUCT_WORDS):
        store_i64(own + 8 * word, load_i64(given + 8 * word))
    count = own + 8 * PRODUCT_WORDS
    store_i64(count, load_i64(starts + 8 * expert + 8) - first)
    store_i64(own, count)
    store_i64(own + 8, load_i64(given + 8) + first * load_i64(given + 16))
    store_i64(own + 32, load_i64(load_i64(args + 32) + 8 * expert))
    store_i64(own + 56, load_i64(given + 56) + first * load_i64(given + 64))
    if load_i64(args + 40) != 0:
        store_i64(own + 88, load_i64(args + 40) + expert * load_i64(args + 48))
    store_i64(own + 104, scratch + 8 * EXPERT_WORDS)
    call_kernel(code, own, chunk - slot * pieces, thread)


def combine(args: int, chunk: int, thread: int) -> None:
    """The sum of one token's rows a chunk. Arguments: sorted rows, their stride; places of each token's, their stride;
    rows of a token; weights (0: none), their stride; width; target, its stride."""
    places, each = load_i64(args + 16) + chunk * load_i64(args + 24), load_i64(args + 32)
    weights, width = load_i64(args + 40), load_i64(args + 56)
    target, whole = load_i64(args + 64) + chunk * load_i64(args + 72), load_i64(args + 56) // 8 * 8
    for j in range(each):
        source = load_i64(args) + load_i64(places + 8 * j) * load_i64(args + 8)
        factor = np.float32(1)
        if weights != 0:
            factor = load_f32(weights + chunk * load_i64(args + 48) + 4 * j)
        for i in range(0, whole, 8):
            value = load_f32x8(source + 4 * i) * splat(factor)
            store_f32x8(target + 4 * i, value if j == 0 else load_f32x8(target + 4 * i) + value)
        for i in range(whole, width):
            one = load_f32(source + 4 * i) * factor
            store_f32(target + 4 * i, one if j == 0 else load_f32(target + 4 * i) + one)
