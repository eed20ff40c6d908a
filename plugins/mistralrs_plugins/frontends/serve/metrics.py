"""Prometheus metrics: the names of mistral.rs, and histograms of the times that users feel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mistralrs.api.asynchronous import EngineOutput, Finished, Tokens

HTTP_LABELS = ("method", "path", "model", "status")
TTFT_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
ITL_BUCKETS = (0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.5)
DURATION_BUCKETS = (0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
BODY_BUCKETS = (256, 1024, 4096, 16384, 65536, 262144, 1048576, 16777216, 52428800)
Read = Callable[[Any], float]
GAUGES: Mapping[str, tuple[str, Read]] = {
    "mistralrs_sequences_running": ("Answers that are being made.", lambda s: s.running),
    "mistralrs_sequences_waiting": ("Answers that wait for their turn.", lambda s: s.waiting),
    "mistralrs_kv_cache_blocks_total": ("Blocks of the KV cache.", lambda s: s.total_blocks),
    "mistralrs_kv_cache_blocks_used": (
        "Blocks that running answers hold.",
        lambda s: s.total_blocks - s.free_blocks - s.cached_blocks,
    ),
    "mistralrs_kv_cache_blocks_cached": ("Blocks kept for prompts that may come again.", lambda s: s.cached_blocks),
}
COUNTERS: Mapping[str, tuple[str, Read]] = {
    "mistralrs_paged_preemptions": ("Answers that had to give their blocks back.", lambda s: s.preemptions),
    "mistralrs_prefix_cache_hit_tokens": ("Prompt tokens found in the prefix cache.", lambda s: s.prefix_hit_tokens),
    "mistralrs_engine_steps": ("Steps of the engine.", lambda s: s.steps),
}


class _EngineCollector(Collector):
    """Reads the engine's counters when somebody asks for the metrics."""

    def __init__(self, model: str, stats: Callable[[], Any]) -> None:
        self._model = model
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats()
        if stats is None:
            return
        for name, (text, value) in GAUGES.items():
            gauge = GaugeMetricFamily(name, text, labels=["model"])
            gauge.add_metric([self._model], value(stats))
            yield gauge
        for name, (text, value) in COUNTERS.items():
            counter = CounterMetricFamily(name, text, labels=["model"])
            counter.add_metric([self._model], value(stats))
            yield counter


class Metrics:
    """The metrics of one server. ``stats`` gives the engine's counters or None, ``pending`` the accepted answers."""

    def __init__(self, model: str, stats: Callable[[], Any], *, max_seqs: int, pending: Callable[[], int]) -> None:
        # They double the number of series, and nobody asks for them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        self.model = model
        registry.register(_EngineCollector(model, stats))
        self.requests = Counter("http_requests", "HTTP requests.", HTTP_LABELS, registry=registry)
        self.duration = Histogram(
            "http_request_duration_seconds",
            "From the request's head to the response's end.",
            HTTP_LABELS,
            buckets=DURATION_BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge("http_requests_in_flight", "HTTP requests being answered.", registry=registry)
        self.body_bytes = Histogram(
            "http_request_body_bytes",
            "Sizes of request bodies.",
            ("method", "path"),
            buckets=BODY_BUCKETS,
            registry=registry,
        )
        labels = ("model",)
        self.first_token = Histogram(
            "mistralrs_time_to_first_token_seconds",
            "From acceptance to the first token.",
            labels,
            buckets=TTFT_BUCKETS,
            registry=registry,
        ).labels(model)
        self.between_tokens = Histogram(
            "mistralrs_inter_token_latency_seconds",
            "Between two tokens of an answer.",
            labels,
            buckets=ITL_BUCKETS,
            registry=registry,
        ).labels(model)
        tokens = Counter(
            "mistralrs_tokens_processed", "Tokens of prompts and answers.", (*labels, "kind"), registry=registry
        )
        self.prompt_tokens, self.completion_tokens = tokens.labels(model, "prompt"), tokens.labels(model, "completion")
        self.completed = Counter(
            "mistralrs_sequences_completed", "Answers that ended, by reason.", (*labels, "reason"), registry=registry
        )
        self.rejected = Counter(
            "mistralrs_sequences_rejected", "Answers refused for lack of places.", labels, registry=registry
        ).labels(model)
        self.lookups, self.hits = (
            Counter(f"mistralrs_prefix_cache_{name}", text, labels, registry=registry).labels(model)
            for name, text in (("lookups", "Prompts looked up in the prefix cache."), ("hits", "Those found there."))
        )
        capacity = Gauge("mistralrs_sequences_capacity", "Answers made at a time.", labels, registry=registry)
        capacity.labels(model).set(max_seqs)
        waiting = Gauge(
            "mistralrs_requests_pending_admission", "Answers accepted and not ended.", labels, registry=registry
        )
        waiting.labels(model).set_function(pending)

    def watch(self) -> Callable[[EngineOutput], None]:
        """An observer for the answers of one request."""
        last: dict[int, float] = {}
        accepted = time.perf_counter()

        def observe(output: EngineOutput) -> None:
            now = time.perf_counter()
            if isinstance(output, Tokens):
                before = last.get(output.id)
                if before is None:
                    self.first_token.observe(now - accepted)
                else:
                    self.between_tokens.observe(now - before)
                last[output.id] = now
            elif isinstance(output, Finished):
                self.completed.labels(self.model, output.reason.value).inc()
                self.lookups.inc()
                self.hits.inc(output.usage.cached_tokens > 0)
                self.prompt_tokens.inc(output.usage.prompt_tokens)
                self.completion_tokens.inc(output.usage.completion_tokens)

        return observe

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self.registry)
