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

from mistralrs.ops.adjustments import Adjustments
from mistralrs.ops.meta import AttentionMeta, LayerCache, StateCache
from mistralrs.ops.scan import ScanWeights
from mistralrs.ops.slot import Slot
from mistralrs.ops.spec import AttentionSpec, RouterSpec
from mistralrs.ops.table import OpTable
from mistralrs.ops.weight import Weight, WeightStack

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

    def token_types(self, meta: AttentionMeta) -> Tensor:
        """Which of two texts each new token belongs to, 0 or 1: ``[tokens]``."""
        return self.run("token_types", "", meta)  # type: ignore[no-any-return]

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

    def write_latent(self, latent: Tensor, cache: LayerCache, meta: AttentionMeta) -> None:
        """The same for a latent cache: ``latent`` ``[tokens, head_dim]`` is key and value at once."""
        self.run("write_latent", "", latent, cache, meta)

    def attend(self, q: Tensor, cache: LayerCache, meta: AttentionMeta, spec: AttentionSpec) -> Tensor:
        """Attention of ``q`` ``[tokens, heads * head_dim]`` over the cache: ``[tokens, heads * v_head_dim]``."""
        return self.run("attend", "", q, cache, meta, spec)  # type: ignore[no-any-return]

    def attend_sinks(
        self, q: Tensor, cache: LayerCache, meta: AttentionMeta, spec: AttentionSpec, sinks: Tensor
    ) -> Tensor:
        """The same with one more score per head, ``sinks`` ``[heads]``, that takes its share and adds no value."""
        return self.run("attend_sinks", "", q, cache, meta, spec, sinks)  # type: ignore[no-any-return]

    def position_scale(self, x: Tensor, positions: Tensor, stretch: float, factor: float, first: int) -> Tensor:
        """``x * (1 + factor * log(1 + floor((position + first) / stretch)))``: sharper far into a long text."""
        return self.run("position_scale", "", x, positions, stretch, factor, first)  # type: ignore[no-any-return]

    def join_heads(self, x: Tensor, y: Tensor, heads: int) -> Tensor:
        """Every head of ``x`` followed by that of ``y``: the reverse of :meth:`split_groups`."""
        return self.run("join_heads", "", x, y, heads)  # type: ignore[no-any-return]

    def heads_linear(self, x: Tensor, weight: Tensor) -> Tensor:
        """Each head's own product: ``[tokens, heads * in]`` and ``[heads, out, in]`` give ``[tokens, heads * out]``."""
        return self.run("heads_linear", "", x, weight)  # type: ignore[no-any-return]

    def route(self, logits: Tensor, bias: Tensor | None, spec: RouterSpec) -> tuple[Tensor, Tensor]:
        """Weights float32 and numbers int64 of every token's experts, each ``[tokens, top_k]``."""
        return self.run("route", "", logits, bias, spec)  # type: ignore[no-any-return]

    def dispatch(
        self, x: Tensor, chosen: Tensor, experts: int, weights: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Repeat every token for its experts and sort by expert.

        Returns the rows ``[tokens * top_k, width]`` (times their ``weights``, if given), for each row its place before
        sorting, and for each expert where its rows end ``[experts]``. Sizes depend on the number of tokens only.
        """
        return self.run("dispatch", "", x, chosen, experts, weights)  # type: ignore[no-any-return]

    def expert_linear(self, x: Tensor, ends: Tensor, stack: WeightStack, bias: Tensor | None = None) -> Tensor:
        """Each row through its expert: ``[rows, in]`` to ``[rows, out]``; ``bias`` is ``[experts, out]``."""
        return self.run("expert_linear", stack.layout.name, x, ends, stack, bias)  # type: ignore[no-any-return]

    def combine(self, x: Tensor, order: Tensor, top_k: int, weights: Tensor | None = None) -> Tensor:
        """Undo :meth:`dispatch` and add up each token's rows, times ``weights``: ``[tokens, width]``."""
        return self.run("combine", "", x, order, top_k, weights)  # type: ignore[no-any-return]

    def conv(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        activation: str | None,
        cache: StateCache,
        meta: AttentionMeta,
    ) -> Tensor:
        """Causal convolution of each channel on its own: ``[tokens, channels]`` to the same.

        ``weight`` is ``[channels, width]``, its last column for the token itself. The ``width - 1`` tokens before a
        step's first are the state ``[channels, width - 1]``.
        """
        return self.run("conv", "", x, weight, bias, activation, cache, meta)  # type: ignore[no-any-return]

    def ssd(
        self, x: Tensor, dt: Tensor, b: Tensor, c: Tensor, weights: ScanWeights, cache: StateCache, meta: AttentionMeta
    ) -> Tensor:
        """Scan of a state space with one decay per head (Mamba-2, arXiv 2405.21060): ``[tokens, heads * head_dim]``.

        With ``t = clamp(softplus(dt + dt_bias))``: ``state = exp(t * a) * state + t * x (outer) b``, and the result is
        ``state @ c + d * x``. ``x`` is ``[tokens, heads * head_dim]``, ``dt`` ``[tokens, heads]``, ``b`` and ``c``
        ``[tokens, groups * size]`` for equal shares of the heads. The state is ``[heads, head_dim, size]``.
        """
        return self.run("ssd", "", x, dt, b, c, weights, cache, meta)  # type: ignore[no-any-return]

    def selective_scan(
        self, x: Tensor, dt: Tensor, b: Tensor, c: Tensor, weights: ScanWeights, cache: StateCache, meta: AttentionMeta
    ) -> Tensor:
        """Scan of a state space with a decay per channel and state (Mamba, arXiv 2312.00752): ``[tokens, channels]``.

        As :meth:`ssd` with ``x`` and ``dt`` ``[tokens, channels]``, ``b`` and ``c`` ``[tokens, size]``, ``a`` and the
        state ``[channels, size]``.
        """
        return self.run("selective_scan", "", x, dt, b, c, weights, cache, meta)  # type: ignore[no-any-return]

    def delta_rule(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        beta: Tensor,
        alpha: Tensor,
        weights: ScanWeights,
        cache: StateCache,
        meta: AttentionMeta,
    ) -> Tensor:
        """Scan of a memory that is corrected by what it got wrong (gated delta rule, arXiv 2412.06464).

        Queries and keys ``[tokens, key_heads * key_dim]`` are normed to length 1, queries divided by the root of
        ``key_dim``. Then ``state *= exp(a * softplus(alpha + dt_bias))``, ``state += k (outer) sigmoid(beta) * (v - k @
        state)``, and the result is ``q @ state``. ``v`` is ``[tokens, heads * value_dim]``, ``beta`` and ``alpha``
        ``[tokens, heads]``; equal shares of heads use one key head. The state is ``[heads, key_dim, value_dim]``.
        """
        return self.run("delta_rule", "", q, k, v, beta, alpha, weights, cache, meta)  # type: ignore[no-any-return]

    def gated(self, gate: Tensor, up: Tensor, activation: str) -> Tensor:
        """``activation(gate) * up``, element by element."""
        return self.run("gated", "", gate, up, activation)  # type: ignore[no-any-return]

    def activate(self, x: Tensor, activation: str) -> Tensor:
        """``activation(x)``, element by element."""
        return self.run("activate", "", x, activation)  # type: ignore[no-any-return]

    def xielu(self, x: Tensor, positive: Tensor, negative: Tensor, beta: Tensor, eps: Tensor) -> Tensor:
        """The xIELU activation (arXiv 2411.13010); its slopes and the two constants are tensors of one number."""
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

    def known_ids(self, ids: Tensor, count: int) -> Tensor:
        """``ids`` ``[tokens]`` with 0 in the place of those that are not below ``count``."""
        return self.run("known_ids", "", ids, count)  # type: ignore[no-any-return]

    def lookup(self, values: Tensor, index: Tensor) -> Tensor:
        """The numbers of ``values`` ``[n]`` at ``index``, in the shape of ``index``."""
        return self.run("lookup", "", values, index)  # type: ignore[no-any-return]

    def mix(self, x: Tensor, weights: Tensor, groups: int) -> Tensor:
        """Sums of the ``groups`` equal parts of the width, weighed by each token's own ``weights``.

        ``[tokens, groups * part]`` and ``[tokens, sums * groups]`` give ``[tokens, sums * part]``.
        """
        return self.run("mix", "", x, weights, groups)  # type: ignore[no-any-return]

    def match_rms(self, x: Tensor, like: Tensor) -> Tensor:
        """Each row of ``x`` scaled to the root mean square of that of ``like``."""
        return self.run("match_rms", "", x, like)  # type: ignore[no-any-return]

    def gaussian_topk(self, x: Tensor, deviations: float) -> Tensor:
        """``relu(x - (mean + deviations * deviation))`` of each row: about the top part, were it normal."""
        return self.run("gaussian_topk", "", x, deviations)  # type: ignore[no-any-return]

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
        """Cut each of ``groups`` equal parts of the width into pieces of ``sizes``; all first, all second ..."""
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

    def draw(self, logits: Tensor, settings: Tensor) -> Tensor:
        """A token for every row of ``logits`` ``[rows, vocab]``: ``[rows]`` int64 on the CPU.

        ``settings`` ``[rows, 5]`` (float64, CPU) are temperature, top-k, top-p, min-p, each 0 when off, and a number
        in [0, 1). Temperature 0 takes the most likely token. Otherwise weights are ``exp(logits / temperature)``; top-k
        keeps the largest, top-p of those the fewest that reach its share, min-p those above its part of the largest;
        the token is where the running sum over what is left exceeds ``number`` times the whole. -1 stands for a row
        with NaN, with infinity or without any finite number. No row depends on the others.
        """
        return self.run("draw", "", logits, settings)  # type: ignore[no-any-return]

    def likeliest(self, logits: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """The logarithm of every row's sum of exponentials ``[rows]`` (float64), and its ``count`` largest, or all.

        The latter are indices ``[rows, count]``, largest first, equal ones in the order of the row; both on the CPU.
        """
        return self.run("likeliest", "", logits, count)  # type: ignore[no-any-return]

    def adjust(self, logits: Tensor, changes: Adjustments) -> tuple[Tensor, Tensor]:
        """DRY, penalties and biases of some rows of ``logits`` ``[rows, vocab]`` (float32, CPU), in place.

        A penalised logit loses the frequency penalty times its count, and the presence penalty if that is not zero;
        then it is divided by the repetition penalty if it is above zero, else multiplied. A number that was not finite
        stays as it is, and none becomes infinite. Returns what was changed, for :meth:`restore`: places in the
        flattened logits (below zero: none) and the numbers there before.
        """
        return self.run("adjust", "", logits, changes)  # type: ignore[no-any-return]

    def restore(self, logits: Tensor, places: Tensor, values: Tensor) -> None:
        """Undo :meth:`adjust`: ``values`` ``[n]`` at ``places`` again, the last first."""
        self.run("restore", "", logits, places, values)
