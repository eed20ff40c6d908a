"""The last step of loading: an engine over a built model, with its cache sized and its limits set."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from mistralrs.checkpoint import Progress, no_progress
from mistralrs.config.model import ModelSelection
from mistralrs.config.paged import PagedAttentionConfig
from mistralrs.config.runtime import RuntimeConfig
from mistralrs.engine.config import EngineConfig
from mistralrs.engine.engine import Engine
from mistralrs.engine.runner import ModelRunner
from mistralrs.loading.cache_size import cache_blocks
from mistralrs.loading.model import DTYPES, BuiltModel, build_model
from mistralrs.loading.special import eos_ids
from mistralrs.ops import Program

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from mistralrs.loading.inspect import Inspected
    from mistralrs.plugin.host import PluginHost


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model ready for requests. ``context_length`` is in tokens, ``weight_bytes`` as the weights are stored."""

    engine: Engine
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
    progress: Progress = no_progress,
) -> LoadedModel:
    """Build the model and its engine. Raises ModelFormatError for bad weights, EngineError when memory is short."""
    started = time.perf_counter()
    if runtime.threads is not None:
        torch.set_num_threads(runtime.threads)
    model = build_model(host, inspected, dtype=selection.dtype, isq=selection.isq, progress=progress)
    if runtime.threads is not None:
        model.ops.table.set_threads(runtime.threads)
    kv_dtype = _kv_dtype(paged.cache_type, model)
    runner = ModelRunner(Program(model.module), model.caches, model.ops, model.vocab_size, model.device, kv_dtype)
    context = inspected.context_length
    config = EngineConfig(
        num_blocks=cache_blocks(paged, model.caches, kv_dtype, context, model.device),
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
    engine = Engine(runner, tokenizer, config)
    model.ops.table.warm_up(progress)
    runner.warm_up()
    seconds = time.perf_counter() - started
    host.notify("mistralrs_model_loaded", model=inspected.info, device=str(model.device), seconds=seconds)
    return LoadedModel(
        engine=engine,
        inspected=inspected,
        tokenizer=tokenizer,
        context_length=context,
        weight_bytes=model.weight_bytes,
    )


def _kv_dtype(wanted: str, model: BuiltModel) -> torch.dtype:
    """How keys and values are kept: as asked for, else as the attention kernels prefer, else in the compute type."""
    preferred = next((b.preferred_kv_dtype for b in model.ops.table.backends if b.preferred_kv_dtype), None)
    name = preferred if wanted == "auto" else wanted
    return model.dtype if name is None else DTYPES[name]
