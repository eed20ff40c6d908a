"""Builds an inspected model: its layers over the file's tensors, and the kernels that will run them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from mistralrs.checkpoint import Progress, no_progress
from mistralrs.errors import PluginError, UsageError
from mistralrs.loading.quantization import choose_quantization
from mistralrs.ops import Backend, CacheSpec, Ops, OpTable
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
    """A model with its weights in place. ``caches`` is what its layers keep, by their handles."""

    module: nn.Module
    ops: Ops
    caches: tuple[CacheSpec, ...]
    vocab_size: int
    device: torch.device
    dtype: torch.dtype
    weight_bytes: int


@torch.inference_mode()
def build_model(
    host: PluginHost,
    inspected: Inspected,
    *,
    dtype: str = "auto",
    device: str = "cpu",
    isq: str | None = None,
    progress: Progress = no_progress,
) -> BuiltModel:
    """Build the model on ``device``, quantized by ``isq`` if given.

    Raises ModelFormatError for tensors that are missing or of another shape.
    """
    place = torch.device(device)
    compute = choose_dtype(dtype, place)
    table = OpTable(choose_backends(host, inspected, place, compute))
    checkpoint = inspected.checkpoint
    rename = same_name
    if checkpoint.architecture.startswith("gguf:") and inspected.architecture.gguf is not None:
        rename = host.load_ref(inspected.architecture, inspected.architecture.gguf).rename
    source = _Reporting(CheckpointSource(checkpoint, rename), f"Loading {inspected.files.id}", progress)
    quant = choose_quantization(host, inspected, isq)
    builder = WeightBuilder(source, dtype=compute, device=place, quant=quant, prepare=table.prepare)
    build = host.load_ref(inspected.architecture, inspected.architecture.build)
    module: nn.Module = build(inspected.config, builder)
    source.finish()
    return BuiltModel(
        module=module.eval(),
        ops=Ops(table),
        caches=tuple(builder.caches),
        vocab_size=_vocab_size(inspected.config),
        device=place,
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


def choose_backends(host: PluginHost, inspected: Inspected, device: torch.device, dtype: torch.dtype) -> list[Backend]:
    """The kernel backends for ``device``, best first: a plugin's choice, then by priority, the reference last."""
    specs = [s for s in host.specs("kernels") if isinstance(s, KernelsSpec) and device.type in s.devices]
    layouts = frozenset(info.layout.name for info in inspected.checkpoint.tensors.values())
    needs = KernelNeeds(layouts=layouts, dtype=str(dtype).removeprefix("torch."))
    chosen = host.decide("mistralrs_choose_kernels", device=device.type, needs=needs)
    specs.sort(key=lambda spec: (spec.name != chosen, -spec.priority, spec.name))
    backends: list[Backend] = []
    for spec in specs:
        try:
            backends.append(host.make(spec, spec.backend))
        except PluginError as error:
            # Slower kernels are better than none; the reference below always works.
            log.warning("kernels/%s is not used: %s", spec.name, error)
    if not backends:
        raise PluginError(f"no kernels plugin runs on {device.type}", "see: mistralrs plugins list --kind kernels")
    return backends


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
