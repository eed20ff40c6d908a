"""Calls of the attention kernels, and what their plan of a step needs to know."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from mistralrs.ops import AttentionSpec, LayerCache
from mistralrs_plugins.kernels.cpu.program.arguments import AddressOf, Argument, Call, Number, Place, Scratch, strided
from mistralrs_plugins.kernels.cpu.program.weights import NotCompiled, cache_kind

_ROWS = 32
"""Most query rows of one item; the kernels' own ROWS."""
_TILE = 32


@dataclass(slots=True)
class Needs:
    """What all attention layers of a program have in common.

    ``tokens`` is the most that fit into an item, ``partial_floats`` what one partial result takes over all heads.
    """

    tokens: int = _ROWS
    partial_floats: int = 0

    def include(self, spec: AttentionSpec, v_dim: int) -> None:
        """Take one more layer into account."""
        self.tokens = min(self.tokens, max(1, _ROWS // (spec.heads // spec.kv_heads)))
        self.partial_floats = max(self.partial_floats, spec.heads * (_padded(v_dim) + 2))


def write_call(k: Place, v: Place, cache: LayerCache) -> Call:
    """Append keys and values."""
    kind, (blocks, size, heads, dim), v_dim = cache_kind(cache), cache.k.shape, cache.v.shape[3]
    if k.width != heads * dim or v.width != heads * v_dim:
        raise NotCompiled("keys or values of another size than their cache")
    arguments: list[Argument] = [AddressOf(Number.SLOTS), blocks * size]
    arguments += [*strided(k), k.width, cache.k.data_ptr(), *strided(v), v.width, cache.v.data_ptr()]
    return Call(f"cache:make_write:{kind}", arguments, per={Number.TOKENS: 1})


def attend_calls(
    q: Place, target: Place, cache: LayerCache, spec: AttentionSpec, sinks: Tensor | None
) -> tuple[Call, Call]:
    """Attention itself, and the merging of split pasts. ``sinks`` is float32 ``[heads]``."""
    kind, (blocks, size, heads, dim), v_dim = cache_kind(cache), cache.k.shape, cache.v.shape[3]
    if not spec.causal:
        raise NotCompiled("attention that is not causal")
    if (heads, dim) != (spec.kv_heads, spec.head_dim) or spec.heads % heads or q.width != spec.heads * dim:
        raise NotCompiled("attention over a cache of another shape")
    arguments: list[Argument] = [AddressOf(Number.ITEM_LIST), heads, spec.heads // heads, dim, v_dim]
    arguments += [*strided(q), *strided(target), cache.k.data_ptr(), cache.v.data_ptr()]
    arguments += [AddressOf(Number.BLOCKS), AddressOf(Number.BLOCKS_WIDTH), size, blocks]
    arguments += [spec.window or 0, float(spec.scale), float(spec.softcap or 0.0), AddressOf(Number.PARTIALS)]
    scratch = Scratch(scratch_bytes(spec.heads // heads, dim, v_dim))
    more = 0 if sinks is None else sinks.data_ptr()
    if sinks is not None and sinks.shape != (spec.heads,):
        raise NotCompiled("sinks of another number than heads")
    arguments += [scratch, scratch.size, more, spec.chunk or 0]
    attend = Call(f"attention:make_attend:{kind}", arguments, per={Number.ITEMS: heads})
    merged: list[Argument] = [AddressOf(Number.MERGE_LIST), spec.heads, v_dim, AddressOf(Number.PARTIALS)]
    merge = Call("attention:merge", [*merged, *strided(target), more], per={Number.MERGES: spec.heads})
    return attend, merge


def scratch_bytes(group: int, head_dim: int, v_dim: int) -> int:
    """What the kernel needs for each thread: rows of queries, results, scores and state; tiles of the cache."""
    rows = max(_ROWS, group) + 1
    width, v_width = _padded(head_dim), _padded(v_dim)
    return 4 * (rows * (width + 2 * v_width + _TILE + 4) + _TILE * (width + v_width))


def _padded(size: int) -> int:
    return -(-size // 32) * 32
