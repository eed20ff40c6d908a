"""The last step of loading: an engine over a built model, with its cache sized and its limits set."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from mistralrs.checkpoint import Progress, no_progress
from mistralrs.config.model import ModelSelection
from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.config.runtime import RuntimeConfig
from mistralrs.engine.config import EngineConfig
from mistralrs.engine.embedder import EmbeddingEngine
from mistralrs.engine.engine import Engine
from mistralrs.engine.runner import ModelRunner
from mistralrs.loading.cache_size import cache_blocks
from mistralrs.loading.embedding import After, make_embedder
from mistralrs.loading.model import DTYPES, BuiltModel, build_model
from mistralrs.loading.placement import report
from mistralrs.loading.special import eos_ids
from mistralrs.loading.state_size import cache_states
from mistralrs.ops import Program, Slot

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from mistralrs.loading.inspect import Inspected
    from mistralrs.plugin.host import PluginHost


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model ready for requests. ``context_length`` is in tokens, ``weight_bytes`` as the weights are stored."""

    engine: Engine | EmbeddingEngine
    inspected: Inspected
    tokenizer: Tokenizer
    context_length: int
    weight_bytes: int


def load(
    host: PluginHost,
    inspected: Inspected,
    tokenizer: Tokenizer,
    *,
    selection: ModelSelection,
    runtime: RuntimeConfig,
    paged: PagedAttentionConfig,
    seed: int | None = None,
    free: Mapping[Slot, int] | None = None,
    progress: Progress = no_progress,
) -> LoadedModel:
    """Build the model and its engine; ``free`` as in :func:`~mistralrs.loading.model.build_model`.

    Raises ModelFormatError for bad weights, UsageError for a model that does not fit, EngineError when memory is short.
    """
    started = time.perf_counter()
    after = None if inspected.task == "generate" else After.read(inspected, tokenizer)
    model = build_model(host, inspected, selection=selection, paged=paged, free=free, progress=progress)
    if runtime.threads is not None:
        _set_threads(runtime.threads, model)
    context = inspected.context_length
    config = EngineConfig(
        num_blocks=1,
        block_size=paged.block_size,
        context_length=context,
        vocab_size=min(model.vocab_size, tokenizer.get_vocab_size(with_added_tokens=True)),
        eos_ids=eos_ids(inspected, tokenizer),
        max_seqs=runtime.max_seqs,
        max_batched_tokens=runtime.max_num_batched_tokens,
        prefix_cache=runtime.prefix_cache_n > 0,
        cache_namespace=inspected.files.id.encode(),
        seed=seed,
    )
    engine: Engine | EmbeddingEngine
    if after is None:
        runner, blocks, states = _make_runner(model, paged, context, runtime.max_seqs)
        engine = Engine(runner, tokenizer, replace(config, num_blocks=blocks, num_states=states))
    else:
        engine = make_embedder(model, inspected, after, config)
    model.ops.table.warm_up(progress)
    engine.runner.warm_up()
    seconds = time.perf_counter() - started
    host.notify("mistralrs_model_loaded", model=inspected.info, device=str(model.device), seconds=seconds)
    return LoadedModel(
        engine=engine,
        inspected=inspected,
        tokenizer=tokenizer,
        context_length=context,
        weight_bytes=model.weight_bytes,
    )


def _set_threads(count: int, model: BuiltModel) -> None:
    """Compute with ``count`` threads: torch's pool, and those of backends that have their own."""
    torch.set_num_threads(count)
    model.ops.table.set_threads(count)


def _make_runner(
    model: BuiltModel, paged: PagedAttentionConfig, context_length: int, max_seqs: int
) -> tuple[ModelRunner, int, int]:
    """The runner, and how many blocks of cache and recurrent states there is room for beside the weights."""
    kv_dtype, placement = _kv_dtype(paged.cache_type, model), model.placement
    room: Mapping[Slot, int] = {share.slot: max(0, (share.free or 0) - share.weights) for share in placement.shares(0)}
    caches = list(zip(model.caches, model.cache_slots, strict=True))
    num_states, paged, room = cache_states(paged, caches, max_seqs, room, placement.reserved_states)
    num_blocks = cache_blocks(paged, caches, kv_dtype, context_length, room, placement.reserved)
    report(placement, num_blocks * paged.block_size * kv_dtype.itemsize, num_states)
    devices = [slot.device for slot in model.cache_slots]
    program = Program(model.module)
    runner = ModelRunner(program, model.caches, model.ops, model.vocab_size, model.device, kv_dtype, devices)
    return runner, num_blocks, num_states


def _kv_dtype(wanted: str, model: BuiltModel) -> torch.dtype:
    """How keys and values are kept: as asked for, else as the attention kernels prefer, else in the compute type."""
    preferred = next((b.preferred_kv_dtype for b in model.ops.table.backends if b.preferred_kv_dtype), None)
    name = preferred if wanted == "auto" else wanted
    return model.dtype if name is None else DTYPES[name]
