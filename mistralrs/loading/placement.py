"""Which device gets which layers of a model, decided before any of it is read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import psutil

from mistralrs.devices.plan import DevicePlan, Share, automatic, manual
from mistralrs.errors import UsageError
from mistralrs.ops import Slot
from mistralrs.weights import MetaSource, Request, Sizes, measure

if TYPE_CHECKING:
    from mistralrs.config.model import ModelSelection
    from mistralrs.config.paged import PagedAttentionConfig
    from mistralrs.devices.topology import Topology
    from mistralrs.loading.inspect import Inspected

log = logging.getLogger(__name__)

Bits = Callable[[str], float | None]
"""By the path of a projection: bits of a weight when it is quantized during loading, None when it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A plan and what it was made from.

    ``free`` are the bytes each slot had to offer; ``reserved`` is how many tokens of cache the plan has room for, and
    ``reserved_states`` how many states of recurrent layers, 0 when the user placed the layers.
    """

    plan: DevicePlan
    sizes: Sizes
    free: Mapping[Slot, int]
    reserved: int = 0
    reserved_states: int = 0

    def shares(self, token_bytes: int, states: int = 0) -> list[Share]:
        """What each slot holds; ``token_bytes`` and ``states`` as in :func:`mistralrs.devices.plan.automatic`."""
        return self.plan.shares(self.sizes, token_bytes, self.free, states)


def measure_model(build: Callable[..., Any], inspected: Inspected, rename: Callable[[str], str], bits: Bits) -> Sizes:
    """The sizes of a model's layers as they will lie in memory, from building its shape."""
    tensors = inspected.checkpoint.tensors
    stored = {name: info.layout for name, info in tensors.items()}

    def nbytes(request: Request) -> int:
        module = request.name.removesuffix(".weight")
        if request.role != "linear":
            return request.nbytes
        if (width := bits(module)) is not None:
            return round(prod(request.shape) * width / 8)
        if rename(request.name) in stored:
            return request.nbytes
        # A projection that was quantized before is made of other tensors than its plain weight.
        parts = (info for name, info in tensors.items() if name.startswith(f"{module}."))
        return sum(info.layout.nbytes(info.shape) for info in parts)

    return measure(build, inspected.config, MetaSource(stored, rename), nbytes)


def place(
    sizes: Sizes,
    free: Mapping[Slot, int],
    selection: ModelSelection,
    topology: Topology | None,
    *,
    tokens: int,
    itemsize: int,
    states: int,
) -> Placement:
    """The plan the user asked for, else the automatic one with room for ``tokens`` tokens of cache and ``states``.

    The last slot of ``free`` is the host. Raises UsageError for places that do not exist and models that do not fit.
    """
    slots, count = list(free), len(sizes.layers)
    on_devices = topology is not None and any(rule.device is not None for rule in topology.rules)
    if on_devices and selection.device_layers:
        raise UsageError("--device-layers and the topology both place layers", "say it in one of them")
    if selection.device_layers:
        plan = manual(";".join(selection.device_layers), count, slots[:-1], slots[-1])
        return Placement(plan=plan, sizes=sizes, free=free)
    if topology is not None and on_devices:
        plan = topology.plan(count, slots[0])
        _check_places(plan, slots)
        return Placement(plan=plan, sizes=sizes, free=free)
    try:
        plan = automatic(sizes, free, tokens * itemsize, states)
    except UsageError as error:
        if len(slots) > 1 or slots[0].device.type != "cpu" or _larger_than_memory(sizes):
            raise
        # Weights are views of the file: the system reads them again after it took their memory for something else.
        log.warning("%s; it will be slow when memory gets short", error.message)
        return Placement(plan=DevicePlan(slots[0], (slots[0],) * count), sizes=sizes, free=free)
    return Placement(plan=plan, sizes=sizes, free=free, reserved=tokens, reserved_states=states)


def planned_tokens(selection: ModelSelection, paged: PagedAttentionConfig, context_length: int) -> int:
    """Tokens of cache that an automatic plan makes room for: the cache's own size when the user set it in tokens."""
    if paged.context_len is not None:
        return paged.context_len
    return min(selection.max_seq_len, context_length) * selection.max_batch_size


def report(placement: Placement, token_bytes: int, states: int) -> None:
    """Log what each slot holds."""
    for share in placement.shares(token_bytes, states):
        log.info("%s", share)


def device_types(plan: DevicePlan) -> set[str]:
    """The kinds of devices that a plan uses, for which kernels are needed."""
    return {slot.device.type for slot in plan.slots}


def _check_places(plan: DevicePlan, slots: list[Slot]) -> None:
    for slot in plan.slots:
        if slot not in slots:
            have = ", ".join(each.name for each in slots)
            raise UsageError(f"the topology names {slot.name}, which is not available", f"devices: {have}")


def _larger_than_memory(sizes: Sizes) -> bool:
    return sizes.total > psutil.virtual_memory().total
