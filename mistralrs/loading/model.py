"""Builds an inspected model: its layers over the file's tensors, and the kernels that will run them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from mistralrs.checkpoint import Progress, no_progress
from mistralrs.config.model import ModelSelection
from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.devices.memory import machine_slots
from mistralrs.devices.topology import read_topology
from mistralrs.errors import PluginError, UsageError
from mistralrs.loading.placement import Placement, device_types, measure_model, place, planned_tokens
from mistralrs.loading.quantization import choose_quantization, in_situ_bits, in_situ_names
from mistralrs.loading.state_size import PER_SEQUENCE
from mistralrs.ops import Backend, CacheSpec, Ops, OpTable, Slot
from mistralrs.plugin import KernelNeeds, KernelsSpec
from mistralrs.weights import CheckpointSource, WeightBuilder
from mistralrs.weights.source import same_name

if TYPE_CHECKING:
    from mistralrs.loading.inspect import Inspected
    from mistralrs.plugin.host import PluginHost

log = logging.getLogger(__name__)

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltModel:
    """A model with its weights in place.

    ``caches`` is what its layers keep, by their handles, and ``cache_slots`` where. ``device`` is where everything but
    the layers is.
    """

    module: nn.Module
    ops: Ops
    caches: tuple[CacheSpec, ...]
    cache_slots: tuple[Slot, ...]
    placement: Placement
    vocab_size: int
    device: torch.device
    dtype: torch.dtype
    weight_bytes: int


@torch.inference_mode()
def build_model(
    host: PluginHost,
    inspected: Inspected,
    *,
    selection: ModelSelection | None = None,
    paged: PagedAttentionConfig | None = None,
    free: Mapping[Slot, int] | None = None,
    progress: Progress = no_progress,
) -> BuiltModel:
    """Build the model where and as ``selection`` says.

    ``free`` are the places to use and their bytes, by default all that the machine has; ``paged`` is what the cache
    will be. Raises ModelFormatError for tensors that are missing or of another shape, UsageError for a model that
    does not fit.
    """
    selection, paged = selection or ModelSelection(), paged or PagedAttentionConfig()
    free = machine_slots(cpu=selection.cpu) if free is None else free
    compute = choose_dtype(selection.dtype, next(iter(free)).device)
    rename = _renaming(host, inspected)
    build = host.load_ref(inspected.architecture, inspected.architecture.build)
    topology = read_topology(selection.topology) if selection.topology else None
    names = in_situ_names(selection.isq, topology)
    quant = choose_quantization(host, inspected, selection.isq, names)
    placement = place(
        measure_model(build, inspected, rename, in_situ_bits(host, names)),
        free,
        selection,
        topology,
        tokens=planned_tokens(selection, paged, inspected.context_length),
        itemsize=DTYPES.get(paged.cache_type, compute).itemsize,
        states=PER_SEQUENCE * selection.max_batch_size,
    )
    plan = placement.plan
    table = OpTable(choose_backends(host, inspected, device_types(plan), compute))
    source = _Reporting(CheckpointSource(inspected.checkpoint, rename), f"Loading {inspected.files.id}", progress)
    builder = plan.apply(WeightBuilder(source, dtype=compute, quant=quant, prepare=table.prepare))
    module: nn.Module = build(inspected.config, builder)
    source.finish()
    return BuiltModel(
        module=module.eval(),
        ops=Ops(table),
        caches=tuple(builder.caches),
        cache_slots=tuple(slot or plan.home for slot in builder.cache_slots),
        placement=placement,
        vocab_size=_vocab_size(inspected.config),
        device=plan.home.device,
        dtype=compute,
        weight_bytes=sum(request.nbytes for request in builder.log),
    )


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """The compute type: float32 on a CPU, bfloat16 on a GPU that has it, unless the user says otherwise."""
    if wanted != "auto":
        if wanted not in DTYPES:
            raise UsageError(f"unknown dtype {wanted!r}", f"one of auto, {', '.join(DTYPES)}")
        return DTYPES[wanted]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return torch.float32


def choose_backends(host: PluginHost, inspected: Inspected, devices: set[str], dtype: torch.dtype) -> list[Backend]:
    """The kernel backends, best first: a plugin's choice, then by priority, the reference last.

    An operation has one kernel wherever it runs, so with several kinds of ``devices`` only backends for all of them
    count.
    """
    specs = [s for s in host.specs("kernels") if isinstance(s, KernelsSpec) and devices <= set(s.devices)]
    layouts = frozenset(info.layout.name for info in inspected.checkpoint.tensors.values())
    needs = KernelNeeds(layouts=layouts, dtype=str(dtype).removeprefix("torch."))
    kinds = " and ".join(sorted(devices))
    chosen = host.decide("mistralrs_choose_kernels", device=kinds, needs=needs)
    specs.sort(key=lambda spec: (spec.name != chosen, -spec.priority, spec.name))
    backends: list[Backend] = []
    for spec in specs:
        try:
            backends.append(host.make(spec, spec.backend))
        except PluginError as error:
            # Slower kernels are better than none; the reference below always works.
            log.warning("kernels/%s is not used: %s", spec.name, error)
    if not backends:
        raise PluginError(f"no kernels plugin runs on {kinds}", "see: mistralrs plugins list --kind kernels")
    return backends


def _renaming(host: PluginHost, inspected: Inspected) -> Callable[[str], str]:
    """From the model's tensor names to the file's."""
    if inspected.checkpoint.architecture.startswith("gguf:") and inspected.architecture.gguf is not None:
        rename: Callable[[str], str] = host.load_ref(inspected.architecture, inspected.architecture.gguf).rename
        return rename
    return same_name


def _vocab_size(config: Any) -> int:
    return int(config.vocab_size)


class _Reporting:
    """A source that reports progress by tensors, and at the end what nobody asked for."""

    def __init__(self, source: CheckpointSource, label: str, progress: Progress) -> None:
        self._source, self._label, self._progress = source, label, progress
        self._total = len(source.checkpoint.tensors)
        self.has = source.has

    def get(self, name: str, shape: tuple[int, ...]) -> Any:
        found = self._source.get(name, shape)
        self._progress(self._label, len(self._source.read), self._total, "steps")
        return found

    def finish(self) -> None:
        self._progress(self._label, self._total, self._total, "steps")
        if unread := self._source.unread():
            shown = ", ".join(unread[:5]) + (" ..." if len(unread) > 5 else "")
            log.info("%d tensors of the checkpoint are not used: %s", len(unread), shown)
