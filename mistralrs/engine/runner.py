"""Runs the model: owns its cache, and turns a batch into logits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from mistralrs.engine.batch import Batch
from mistralrs.errors import EngineError
from mistralrs.kvcache.paged import PagedCache
from mistralrs.ops.meta import AttentionMeta
from mistralrs.ops.ops import Ops
from mistralrs.ops.spec import CacheSpec, StateSpec
from mistralrs.ops.step import StepContext, StepOutput


class ModelRunner:
    """A model with the cache it attends to.

    ``module(step)`` returns logits ``[len(step.rows), vocab_size]``; ``caches`` is what its layers keep, by handle,
    ``kv_dtype`` is how keys and values are kept. ``cache_devices`` is where each layer's are when not on ``device``.
    """

    def __init__(
        self,
        module: Callable[[StepContext], Tensor],
        caches: Sequence[CacheSpec],
        ops: Ops,
        vocab_size: int,
        device: torch.device,
        kv_dtype: torch.dtype,
        cache_devices: Sequence[torch.device] | None = None,
    ) -> None:
        self.module = module
        self.caches = tuple(caches)
        self.ops = ops
        self.vocab_size = vocab_size
        self.device = device
        self.kv_dtype = kv_dtype
        self.cache_devices = [device] * len(self.caches) if cache_devices is None else cache_devices
        self.cache: PagedCache | None = None

    def allocate(self, num_blocks: int, block_size: int, num_states: int = 0) -> None:
        """Reserve the cache. Raises :class:`EngineError` if the memory is not there."""
        if num_states < 2 and any(isinstance(spec, StateSpec) for spec in self.caches):
            raise EngineError("the model has recurrent layers and gets no states", "set num_states to 2 or more")
        self.cache = PagedCache(
            self.caches, num_blocks, block_size, self.kv_dtype, self.cache_devices, num_states=num_states
        )

    def cache_class(self, limit: int) -> bytes:
        """What keys and values of a sequence that may reach ``limit`` tokens depend on besides its tokens."""
        length_class = getattr(self.module, "length_class", None)
        return repr(length_class(limit)).encode() if length_class else b""

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Run one token through the model, so that its step is recorded and compiled before the first request.

        It is written to the first block and states, which belong to nobody yet.
        """
        zero = torch.zeros(1, dtype=torch.int64, device=self.device)
        one = torch.ones_like(zero)
        meta = AttentionMeta(
            query_start=torch.cat([zero, one]),
            context=one,
            slots=zero,
            blocks=zero[None],
            queries=[1],
            contexts=[1],
            limits=one,
            states_from=zero,
            states_to=one,
        )
        batch = Batch(ids=zero, positions=zero.clone(), rows=zero.clone(), meta=meta)
        threads = torch.get_num_threads()
        # One token is nothing to share, and torch's threads would fight with those of compiled kernels.
        torch.set_num_threads(1)
        try:
            self.forward(batch)
            self.wipe([0])
        finally:
            torch.set_num_threads(threads)

    def forward(self, batch: Batch, out: StepOutput | None = None) -> Tensor:
        """Logits of the batch's rows, ``[len(batch.rows), vocab_size]``; keys and values go into the cache.

        With ``out`` the logits may lie in its memory. To be called in inference mode.
        """
        step = StepContext(
            ops=self.ops,
            ids=batch.ids,
            positions=batch.positions,
            rows=batch.rows,
            meta=batch.meta,
            caches=self._cache().layers,
            out=out,
        )
        logits = self.module(step)
        if out is None or logits is not out.logits:
            self._check(logits, (len(batch.rows), self.vocab_size))
        return logits

    @torch.inference_mode()
    def wipe(self, blocks: Iterable[int]) -> None:
        """Zero cache blocks whose content is damaged."""
        self._cache().wipe(blocks)

    @staticmethod
    def _check(logits: Tensor, expected: tuple[int, int]) -> None:
        if logits.shape != expected:
            raise EngineError(f"the model returned logits of shape {tuple(logits.shape)} instead of {expected}")

    def _cache(self) -> PagedCache:
        if self.cache is None:
            raise EngineError("the model runner has no cache yet", "call allocate() first")
        return self.cache
