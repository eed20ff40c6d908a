"""The reference backend. Always works; every other backend is tested against it."""

from __future__ import annotations

import psutil
import torch

from mistralrs.layouts import F32
from mistralrs.ops import OpTable, Recording, Weight
from mistralrs.ops.table import Kernel
from mistralrs_plugins.kernels.torch import (
    adjust,
    attention,
    choose,
    conv,
    elementwise,
    experts,
    heads,
    linear,
    rotary,
    scan,
    streams,
    transfer,
)

_PLAIN: dict[str, Kernel] = {
    "rms_norm": elementwise.rms_norm,
    "layer_norm": elementwise.layer_norm,
    "token_types": elementwise.token_types,
    "rotation": rotary.rotation,
    "long_frequencies": rotary.long_frequencies,
    "dynamic_frequencies": rotary.dynamic_frequencies,
    "rope": rotary.rope,
    "gated": elementwise.gated,
    "activate": elementwise.activate,
    "xielu": elementwise.xielu,
    "add": torch.add,
    "multiply": torch.mul,
    "scale": elementwise.scale,
    "clamp": elementwise.clamp,
    "split": elementwise.split,
    "split_groups": elementwise.split_groups,
    "transfer": transfer.transfer,
    "transfer_step": transfer.transfer_step,
    "rows": elementwise.rows,
    "softcap": elementwise.softcap,
    "write_kv": attention.write_kv,
    "write_latent": attention.write_latent,
    "attend": attention.attend,
    "conv": conv.conv,
    "ssd": scan.ssd,
    "selective_scan": scan.selective_scan,
    "delta_rule": scan.delta_rule,
    "attend_sinks": attention.attend,
    "position_scale": heads.position_scale,
    "join_heads": heads.join_heads,
    "heads_linear": heads.heads_linear,
    "route": experts.route,
    "dispatch": experts.dispatch,
    "combine": experts.combine,
    "known_ids": streams.known_ids,
    "lookup": streams.lookup,
    "mix": streams.mix,
    "match_rms": streams.match_rms,
    "gaussian_topk": streams.gaussian_topk,
    "draw": choose.draw,
    "likeliest": choose.likeliest,
    "adjust": adjust.adjust,
    "restore": adjust.restore,
}
_BY_LAYOUT: dict[str, Kernel] = {
    "embed": linear.embed,
    "linear": linear.linear,
    "head": linear.head,
    "expert_linear": experts.expert_linear,
}


class TorchBackend:
    """Plain torch. Blocks are decoded once when memory allows it, otherwise at every use.

    A decoded copy multiplies about ten times as fast as blocks that are decoded again for every step; at most half of
    the memory that is free at the start goes into such copies.
    """

    name = "torch"
    preferred_kv_dtype: str | None = None

    def __init__(self) -> None:
        self._budget = psutil.virtual_memory().available // 2

    def find(self, op: str, layout: str) -> Kernel | None:
        """See :meth:`mistralrs.ops.Backend.find`."""
        if layout:
            return _BY_LAYOUT.get(op)
        return _PLAIN.get(op)

    def prepare(self, weight: Weight) -> Weight:
        """A float32 copy of what is stored otherwise, on the CPU and while there is room for it."""
        size = F32.nbytes(weight.shape)
        if weight.layout is F32 or weight.data.device.type != "cpu" or size > self._budget:
            return weight
        self._budget -= size
        return Weight.dense(weight.to_dense())

    def compile(self, recording: Recording, table: OpTable) -> None:
        """Nothing to compile: the recording is played operation by operation."""
