"""A small paged cache around a model: any ragged batch in one step, without an engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from mistralrs.devices.plan import DevicePlan
from mistralrs.kvcache.paged import PagedCache
from mistralrs.ops import AttentionMeta, Backend, Ops, OpTable, StateCache, StepContext
from mistralrs.plugin import ArchitectureSpec, Ref
from mistralrs.plugin.host import PluginHost
from mistralrs.weights import Dense, QuantMethod, TensorSource, WeightBuilder

BLOCK = 4
"""Tokens per block: small, so that short sequences span several."""
STATES = 16
"""Slots for recurrent states: two for each of the few sequences of a test."""
CPU = torch.device("cpu")


@lru_cache(maxsize=1)
def _reference() -> Ref:
    """Where the reference is; finding it costs more than building a tiny model."""
    found: Ref = PluginHost().resolve("kernels", "torch").backend
    return found


def reference_backend() -> Backend:
    """The torch kernels, which every other backend is compared with."""
    backend: Backend = _reference().load()()
    return backend


def dense(_path: str) -> QuantMethod:
    """Every projection as it is stored."""
    return Dense()


class CountingOps(Ops):
    """Counts what runs, by the operation's name."""

    def __init__(self, table: OpTable) -> None:
        super().__init__(table)
        self.calls: Counter[str] = Counter()

    def run(self, op: str, layout: str, *args: Any) -> Any:
        """See :class:`mistralrs.ops.Ops`."""
        self.calls[op] += 1
        return super().run(op, layout, *args)


class PagedModel:
    """Feeds sequences by name; each call to :meth:`step` appends tokens to some of them.

    ``config`` is a config.json as a dictionary. ``backends`` are asked in their order, the torch reference when none
    is given; ``quant`` says by path how a projection is stored. The cache starts as NaN everywhere, so that whatever
    reads beyond what was written shows, and blocks are handed out backwards, so that their order in the pool differs
    from that in a sequence. ``limit`` says by name how long a sequence may become; by default as long as the model
    states. ``plan`` puts layers into slots of the CPU.
    """

    def __init__(
        self,
        spec: ArchitectureSpec,
        config: Mapping[str, Any],
        source: TensorSource,
        *,
        dtype: torch.dtype = torch.float32,
        blocks: int = 64,
        backends: Sequence[Backend] = (),
        quant: Callable[[str], QuantMethod] = dense,
        plan: DevicePlan | None = None,
    ) -> None:
        self.table = OpTable([*backends] or [reference_backend()])
        builder = WeightBuilder(source, dtype=dtype, quant=quant, prepare=self.table.prepare)
        self.builder = builder if plan is None else plan.apply(builder)
        self.config = spec.config.load().model_validate(dict(config))
        self.module = spec.build.load()(self.config, self.builder)
        specs = self.builder.caches
        self.caches = PagedCache(specs, blocks, BLOCK, dtype, [CPU] * len(specs), STATES).layers
        for cache in self.caches:
            for memory in [cache.states] if isinstance(cache, StateCache) else [cache.k, cache.v]:
                memory.fill_(float("nan"))
        self.limit: dict[str, int] = {}
        self._free = list(range(blocks))
        self._owned: dict[str, list[int]] = {}
        self._length: dict[str, int] = {}
        self._free_states = list(range(STATES))
        self._states: dict[str, tuple[int, int]] = {}

    @property
    def context_length(self) -> int:
        """Most tokens the model was made for."""
        return int(getattr(self.config, "max_position_embeddings", 2048))

    @torch.inference_mode()
    def step(self, tokens: Mapping[str, Sequence[int]]) -> dict[str, Tensor]:
        """Append tokens; logits ``[new tokens, vocab]`` of each sequence."""
        logits = self.module(self.context(tokens))
        return dict(zip(tokens, logits.split([len(new) for new in tokens.values()]), strict=True))

    @torch.inference_mode()
    def generate(self, prompt: Sequence[int], count: int) -> list[int]:
        """The ``count`` most likely tokens after ``prompt``, one step each."""
        answer: list[int] = []
        fed = list(prompt)
        for _ in range(count):
            fed = [int(self.step({"": fed})[""][-1].argmax())]
            answer += fed
        self.forget("")
        return answer

    def context(self, tokens: Mapping[str, Sequence[int]]) -> StepContext:
        """The step that appends ``tokens``; it wants the logits of every row."""
        slots: list[int] = []
        positions: list[int] = []
        limits: list[int] = []
        for name, new in tokens.items():
            places = range(self._length.get(name, 0), self._length.get(name, 0) + len(new))
            owned = self._reserve(name, places.stop)
            slots += [owned[place // BLOCK] * BLOCK + place % BLOCK for place in places]
            positions += places
            limits += [self.limit.get(name, self.context_length)] * len(new)
            if name not in self._states:
                self._states[name] = self._free_states.pop(), self._free_states.pop()
            self._states[name] = self._states[name][::-1]
        queries = [len(new) for new in tokens.values()]
        contexts = [self._length[name] for name in tokens]
        width = max(len(self._owned[name]) for name in tokens)
        meta = AttentionMeta(
            query_start=torch.tensor([0, *accumulate(queries)]),
            context=torch.tensor(contexts),
            slots=torch.tensor(slots),
            blocks=torch.tensor([self._owned[name] + [0] * (width - len(self._owned[name])) for name in tokens]),
            queries=queries,
            contexts=contexts,
            limits=torch.tensor(limits),
            states_from=torch.tensor([self._states[name][1] for name in tokens]),
            states_to=torch.tensor([self._states[name][0] for name in tokens]),
        )
        return StepContext(
            ops=Ops(self.table),
            ids=torch.tensor([token for new in tokens.values() for token in new]),
            positions=torch.tensor(positions),
            rows=torch.arange(len(positions)),
            meta=meta,
            caches=self.caches,
        )

    def forget(self, name: str) -> None:
        """Drop a sequence and its blocks, as preemption does."""
        self._free += self._owned.pop(name)
        del self._length[name]
        self._free_states += self._states.pop(name)

    def _reserve(self, name: str, length: int) -> list[int]:
        """The blocks of a sequence that is now ``length`` tokens long."""
        owned = self._owned.setdefault(name, [])
        while len(owned) * BLOCK < length:
            owned.append(self._free.pop())
        self._length[name] = length
        return owned
