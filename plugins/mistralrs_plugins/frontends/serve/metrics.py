"""Prometheus metrics: the names of mistral.rs, and histograms of the times that users feel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mistralrs.api.asynchronous import AnswerOutput, Finished, Tokens
from mistralrs_plugins.frontends.serve.models.model import Model

HTTP_LABELS = ("method", "path", "model", "status")
MODEL_LABELS = ("model",)
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
    "mistralrs_prefix_cache_evictions": ("Cached blocks that had to make room.", lambda s: s.evictions),
    "mistralrs_engine_steps": ("Steps of the engine.", lambda s: s.steps),
}
NEVER = {
    "mistralrs_encoder_cache_hits": "Images and sounds found in the encoder's cache.",
    "mistralrs_encoder_cache_misses": "Images and sounds that had to be encoded.",
    "mistralrs_speculative_drafts": "Drafts of speculative decoding.",
    "mistralrs_speculative_draft_tokens_proposed": "Tokens of drafts.",
    "mistralrs_speculative_draft_tokens_accepted": "Tokens of drafts that were taken.",
    "mistralrs_speculative_draft_tokens_accepted_per_pos": "The same by their place in the draft.",
    "mistralrs_speculative_staged_drops": "Drafts that were dropped.",
}
"""Counters of mistral.rs for what no engine here does: they stay 0, so that its dashboards need no change."""


class _EngineCollector(Collector):
    """Reads the engines' counters when somebody asks for the metrics."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = models

    def collect(self) -> Iterator[Metric]:
        found = [(model.id, stats) for model in self._models if (stats := model.process.stats) is not None]
        for family, metrics in ((GaugeMetricFamily, GAUGES), (CounterMetricFamily, COUNTERS)):
            for name, (text, value) in metrics.items():
                metric = family(name, text, labels=["model"])
                for model, stats in found:
                    metric.add_metric([model], value(stats))
                yield metric
        for name, text in NEVER.items():
            metric = CounterMetricFamily(name, text, labels=["model"])
            for each in self._models:
                metric.add_metric([each.id], 0)
            yield metric


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        # They double the number of series, and nobody asks for them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._models: list[Model] = []
        self.registry.register(_EngineCollector(self._models))
        self.requests = self._counter("http_requests", "HTTP requests.", *HTTP_LABELS)
        self.duration = self._histogram(
            "http_request_duration_seconds",
            "From the request's head to the response's end.",
            DURATION_BUCKETS,
            *HTTP_LABELS,
        )
        self.in_flight = Gauge("http_requests_in_flight", "HTTP requests being answered.", registry=self.registry)
        self.body_bytes = self._histogram(
            "http_request_body_bytes", "Sizes of request bodies.", BODY_BUCKETS, *HTTP_LABELS
        )
        self.first_token = self._histogram(
            "mistralrs_time_to_first_token_seconds", "From acceptance to the first token.", TTFT_BUCKETS
        )
        self.between_tokens = self._histogram(
            "mistralrs_inter_token_latency_seconds", "Between two tokens of an answer.", ITL_BUCKETS
        )
        self.tokens = self._counter(
            "mistralrs_tokens_processed", "Tokens of prompts and answers.", *MODEL_LABELS, "kind"
        )
        self.completed = self._counter(
            "mistralrs_sequences_completed", "Answers that ended, by reason.", *MODEL_LABELS, "reason"
        )
        self.rejected = self._counter("mistralrs_sequences_rejected", "Answers refused for lack of places.")
        self.lookups = self._counter("mistralrs_prefix_cache_lookups", "Prompts looked up in the prefix cache.")
        self.hits = self._counter("mistralrs_prefix_cache_hits", "Prompts found in the prefix cache.")
        self.capacity = self._gauge("mistralrs_sequences_capacity", "Answers made at a time.")
        self.pending = self._gauge("mistralrs_requests_pending_admission", "Answers accepted and not ended.")
        self.memory = self._gauge("mistralrs_model_memory_bytes", "Memory of the engine's process.")

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels or MODEL_LABELS, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(name, text, MODEL_LABELS, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, text, labels or MODEL_LABELS, buckets=buckets, registry=self.registry)

    def of_model(self, model: Model) -> ModelMetrics:
        """The same metrics for one model."""
        self._models.append(model)
        return ModelMetrics(self, model)

    def text(self) -> bytes:
        """All metrics in the text format of Prometheus."""
        return generate_latest(self.registry)


class ModelMetrics:
    """The metrics of one model."""

    def __init__(self, metrics: Metrics, model: Model) -> None:
        self.model = model.id
        self.first_token = metrics.first_token.labels(self.model)
        self.between_tokens = metrics.between_tokens.labels(self.model)
        self.prompt_tokens, self.completion_tokens = (
            metrics.tokens.labels(self.model, kind) for kind in ("prompt", "completion")
        )
        self.completed = metrics.completed
        self.rejected = metrics.rejected.labels(self.model)
        self.lookups, self.hits = metrics.lookups.labels(self.model), metrics.hits.labels(self.model)
        metrics.capacity.labels(self.model).set(model.plan.max_seqs)
        metrics.pending.labels(self.model).set_function(model.pending)
        metrics.memory.labels(self.model).set_function(lambda: model.resident_bytes)

    def watch(self) -> Callable[[AnswerOutput], None]:
        """An observer for the answers of one request."""
        last: dict[int, float] = {}
        accepted = time.perf_counter()

        def observe(output: AnswerOutput) -> None:
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
