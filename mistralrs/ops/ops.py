"""The op set. Layers call these methods; what runs is the kernel the op table has for the weight's layout.

Hidden states are flat, ``[tokens, width]``: the tokens of all sequences of a step one after another. Heads lie side
by side in the width. Every value that flows from one operation to the next must come out of an operation: that is
what lets a step be recorded and played back without the layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from mistralrs.ops.meta import AttentionMeta, LayerCache
from mistralrs.ops.slot import Slot
from mistralrs.ops.spec import AttentionSpec
from mistralrs.ops.table import OpTable
from mistralrs.ops.weight import Weight

RopeStyle = Literal["halves", "adjacent"]
"""How a head's numbers pair up for rotation: i with i + n/2 (Hugging Face), or 2i with 2i + 1 (Meta, GGUF)."""


class Ops:
    """Operations on one device. Kernels are called positionally, in the order of the parameters here."""

    def __init__(self, table: OpTable) -> None:
        self.table = table

    def run(self, op: str, layout: str, *args: Any) -> Any:
        """Run one operation now. Recorders override this single door."""
        return self.table.find(op, layout)(*args)

    def embed(self, ids: Tensor, table: Weight, dtype: torch.dtype, scale: float = 1.0) -> Tensor:
        """The rows ``ids`` of ``table`` ``[vocab, width]`` as ``dtype``, times ``scale``: ``[tokens, width]``."""
        return self.run("embed", table.layout.name, ids, table, dtype, scale)  # type: ignore[no-any-return]

    def linear(self, x: Tensor, weight: Weight, bias: Tensor | None = None) -> Tensor:
        """``x @ weight.T + bias``: ``[tokens, in]`` and ``[out, in]`` give ``[tokens, out]``."""
        return self.run("linear", weight.layout.name, x, weight, bias)  # type: ignore[no-any-return]

    def rms_norm(self, x: Tensor, weight: Tensor, eps: float, offset: float = 0.0) -> Tensor:
        """``x / rms(x) * (offset + weight)`` over groups of ``len(weight)`` numbers of each row.

        With a weight as wide as ``x`` that is the usual norm; with one head's width it norms every head.
        """
        return self.run("rms_norm", "", x, weight, eps, offset)  # type: ignore[no-any-return]

    def layer_norm(self, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float, group: int) -> Tensor:
        """``(x - mean) / sqrt(variance + eps) * weight + bias`` over groups of ``group`` numbers of each row.

        ``weight`` and ``bias`` are one for all groups, ``[group]``, or one for each, ``[width]``; None is 1 and 0.
        """
        return self.run("layer_norm", "", x, weight, bias, eps, group)  # type: ignore[no-any-return]

    def rotation(self, positions: Tensor, inv_freq: Tensor, factor: float) -> tuple[Tensor, Tensor]:
        """Cosine and sine of every position's angles, times ``factor``: each ``[tokens, rotary / 2]`` float32.

        ``inv_freq`` is ``[rotary / 2]``, or ``[tokens, rotary / 2]`` when frequencies differ by token.
        """
        return self.run("rotation", "", positions, inv_freq, factor)  # type: ignore[no-any-return]

    def long_frequencies(self, meta: AttentionMeta, short: Tensor, long: Tensor, trained: int) -> Tensor:
        """Frequencies of every token ``[tokens, rotary / 2]``: ``long`` where its limit is above ``trained``."""
        return self.run("long_frequencies", "", meta, short, long, trained)  # type: ignore[no-any-return]

    def dynamic_frequencies(
        self, meta: AttentionMeta, rotary: int, theta: float, factor: float, trained: int
    ) -> Tensor:
        """Frequencies of every token ``[tokens, rotary / 2]``, from a base that grows with its limit (dynamic NTK)."""
        return self.run("dynamic_frequencies", "", meta, rotary, theta, factor, trained)  # type: ignore[no-any-return]

    def rope(self, x: Tensor, cos: Tensor, sin: Tensor, head_dim: int, style: RopeStyle) -> Tensor:
        """Rotate the first ``2 * cos.shape[1]`` numbers of every head of ``x`` ``[tokens, heads * head_dim]``."""
        return self.run("rope", "", x, cos, sin, head_dim, style)  # type: ignore[no-any-return]

    def write_kv(self, k: Tensor, v: Tensor, cache: LayerCache, meta: AttentionMeta) -> None:
        """Put the new tokens' keys and values ``[tokens, kv_heads * head_dim]`` into their slots of the cache."""
        self.run("write_kv", "", k, v, cache, meta)

    def attend(self, q: Tensor, cache: LayerCache, meta: AttentionMeta, spec: AttentionSpec) -> Tensor:
        """Attention of ``q`` ``[tokens, heads * head_dim]`` over the cache: ``[tokens, heads * v_head_dim]``."""
        return self.run("attend", "", q, cache, meta, spec)  # type: ignore[no-any-return]

    def gated(self, gate: Tensor, up: Tensor, activation: str) -> Tensor:
        """``activation(gate) * up``, element by element."""
        return self.run("gated", "", gate, up, activation)  # type: ignore[no-any-return]

    def activate(self, x: Tensor, activation: str) -> Tensor:
        """``activation(x)``, element by element."""
        return self.run("activate", "", x, activation)  # type: ignore[no-any-return]

    def xielu(self, x: Tensor, positive: Tensor, negative: Tensor, beta: float, eps: float) -> Tensor:
        """The xIELU activation (arXiv 2411.13010) with learned slopes ``positive`` and ``negative``, each ``[1]``."""
        return self.run("xielu", "", x, positive, negative, beta, eps)  # type: ignore[no-any-return]

    def scale(self, x: Tensor, factor: float) -> Tensor:
        """``x * factor``."""
        return self.run("scale", "", x, factor)  # type: ignore[no-any-return]

    def multiply(self, x: Tensor, y: Tensor) -> Tensor:
        """``x * y``, element by element; ``y`` may also be one row, ``[width]``, for all tokens."""
        return self.run("multiply", "", x, y)  # type: ignore[no-any-return]

    def clamp(self, x: Tensor, limit: float) -> Tensor:
        """``x`` between ``-limit`` and ``limit``."""
        return self.run("clamp", "", x, limit)  # type: ignore[no-any-return]

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """``x + y``: the residual connection."""
        return self.run("add", "", x, y)  # type: ignore[no-any-return]

    def transfer(self, x: Tensor, slot: Slot) -> Tensor:
        """Hidden states ``[tokens, width]`` on their way to the next layer's slot."""
        return self.run("transfer", "", x, slot)  # type: ignore[no-any-return]

    def transfer_step(self, positions: Tensor, meta: AttentionMeta, slot: Slot) -> tuple[Tensor, AttentionMeta]:
        """What every layer of another slot needs to know about a step."""
        return self.run("transfer_step", "", positions, meta, slot)  # type: ignore[no-any-return]

    def split(self, x: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
        """Cut the width of ``x`` into pieces of ``sizes``."""
        return self.run("split", "", x, tuple(sizes))  # type: ignore[no-any-return]

    def split_groups(self, x: Tensor, sizes: Sequence[int], groups: int) -> tuple[Tensor, ...]:
        """Cut each of ``groups`` equal parts of the width into pieces of ``sizes``; all first pieces, all second, ..."""
        return self.run("split_groups", "", x, tuple(sizes), groups)  # type: ignore[no-any-return]

    def rows(self, x: Tensor, index: Tensor) -> Tensor:
        """The token rows ``index`` ``[n]`` of ``x``: before the head, only rows that are sampled go on."""
        return self.run("rows", "", x, index)  # type: ignore[no-any-return]

    def head(self, x: Tensor, weight: Weight, bias: Tensor | None = None) -> Tensor:
        """Logits in float32: ``[rows, vocab]``."""
        return self.run("head", weight.layout.name, x, weight, bias)  # type: ignore[no-any-return]

    def softcap(self, x: Tensor, cap: float) -> Tensor:
        """``cap * tanh(x / cap)``."""
        return self.run("softcap", "", x, cap)  # type: ignore[no-any-return]
