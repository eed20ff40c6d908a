"""Cuts a step's attention into items that threads share out, and lists what has to be put together afterwards."""

from __future__ import annotations

from mistralrs_plugins.kernels.cpu.jit.memory import load_i64, store_i64
from mistralrs_plugins.kernels.cpu.kernels.sizes import ITEM_WORDS, MERGE_WORDS, SEGMENT


def plan(args: int, _chunk: int, _thread: int) -> None:
    """Cut a step's attention into items and merges. A token's long past is cut between segments of keys.

    Arguments: sequences; int64 bounds of each one's new tokens; int64 lengths of their contexts; most tokens of an
    item; room for partial results; items (sequence, token, tokens, position, first key, last key, number of the partial
    result or -1); merges (token, first partial result, number); two words for the counts.
    """
    seqs, starts, contexts = load_i64(args), load_i64(args + 8), load_i64(args + 16)
    most, room = load_i64(args + 24), load_i64(args + 32)
    item, merge, counts = load_i64(args + 40), load_i64(args + 48), load_i64(args + 56)
    items, merges, partials = 0, 0, 0
    for seq in range(seqs):
        start, stop = load_i64(starts + 8 * seq), load_i64(starts + 8 * seq + 8)
        context = load_i64(contexts + 8 * seq)
        splits = (context + SEGMENT - 1) // SEGMENT if stop - start == 1 else 1
        if splits > room - partials:
            splits = 1
        if splits > 1:
            store_i64(merge, start)
            store_i64(merge + 8, partials)
            store_i64(merge + 16, splits)
            merge += 8 * MERGE_WORDS
            merges += 1
        for token in range(start, stop, most):
            tokens = min(most, stop - token)
            position = context - stop + token
            for split in range(splits):
                keys = position + tokens
                store_i64(item, seq)
                store_i64(item + 8, token)
                store_i64(item + 16, tokens)
                store_i64(item + 24, position)
                store_i64(item + 32, SEGMENT * split)
                store_i64(item + 40, min(keys, SEGMENT * (split + 1)) if splits > 1 else keys)
                store_i64(item + 48, partials if splits > 1 else -1)
                partials += 1 if splits > 1 else 0
                item += 8 * ITEM_WORDS
                items += 1
    store_i64(counts, items)
    store_i64(counts + 8, merges)
