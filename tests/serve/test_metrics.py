"""``/metrics``: the names that dashboards of mistral.rs ask for, and histograms of what users feel."""

from __future__ import annotations

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.serve.running import RunningServer, chat_body

HTTP = {"method", "path", "model", "status"}
HISTOGRAMS = {
    "http_request_duration_seconds": HTTP,
    "http_request_body_bytes": HTTP,
    "mistralrs_time_to_first_token_seconds": {"model"},
    "mistralrs_inter_token_latency_seconds": {"model"},
}
COUNTERS = {
    "http_requests_total": HTTP,
    "mistralrs_tokens_processed_total": {"model", "kind"},
    "mistralrs_prefix_cache_lookups_total": {"model"},
    "mistralrs_prefix_cache_hits_total": {"model"},
    "mistralrs_prefix_cache_evictions_total": {"model"},
    "mistralrs_encoder_cache_hits_total": {"model"},
    "mistralrs_encoder_cache_misses_total": {"model"},
    "mistralrs_sequences_completed_total": {"model", "reason"},
    "mistralrs_sequences_rejected_total": {"model"},
    "mistralrs_speculative_drafts_total": {"model"},
    "mistralrs_speculative_draft_tokens_proposed_total": {"model"},
    "mistralrs_speculative_draft_tokens_accepted_total": {"model"},
    "mistralrs_speculative_draft_tokens_accepted_per_pos_total": {"model"},
    "mistralrs_speculative_staged_drops_total": {"model"},
    "mistralrs_paged_preemptions_total": {"model"},
}
GAUGES = {
    "http_requests_in_flight": set(),
    "mistralrs_sequences_running": {"model"},
    "mistralrs_sequences_waiting": {"model"},
    "mistralrs_sequences_capacity": {"model"},
    "mistralrs_kv_cache_blocks_used": {"model"},
    "mistralrs_kv_cache_blocks_total": {"model"},
    "mistralrs_requests_pending_admission": {"model"},
}
KINDS = {"histogram": HISTOGRAMS, "counter": COUNTERS, "gauge": GAUGES}


def families(server: RunningServer) -> dict[str, Metric]:
    """All metrics by the name that their samples have, histograms by their own."""
    found = {}
    for family in text_string_to_metric_families(server.get("/metrics").body.decode()):
        found[family.name + ("_total" if family.type == "counter" else "")] = family
    return found


@pytest.fixture(scope="module")
def asked(shared_server: RunningServer) -> dict[str, Metric]:
    assert shared_server.chat("x", max_tokens=5).status == 200
    assert list(shared_server.stream(chat_body("x", max_tokens=5)).events())
    shared_server.wait_idle()
    return families(shared_server)


@pytest.mark.parametrize("kind", KINDS)
def test_the_names_and_labels_of_mistral_rs(asked: dict[str, Metric], kind: str) -> None:
    for name, labels in KINDS[kind].items():
        family = asked[name]
        assert family.type == kind, name
        assert family.documentation
        assert family.samples, name
        assert all(set(sample.labels) - {"le"} == labels for sample in family.samples), name


def test_what_users_feel_is_measured(server: RunningServer) -> None:
    """A first token for each answer, and a gap for each token after it."""

    def counts() -> tuple[float, float]:
        names = ("mistralrs_time_to_first_token_seconds", "mistralrs_inter_token_latency_seconds")
        return tuple(server.metric(f"{name}_count") for name in names)  # type: ignore[return-value]

    before = counts()
    assert server.chat("x", max_tokens=7, n=2).status == 200
    assert list(server.stream(chat_body("x", max_tokens=7)).events())
    assert [now - then for now, then in zip(counts(), before, strict=True)] == [3, 18]


def test_paths_are_patterns_and_models_are_known_ones(server: RunningServer) -> None:
    """What a client makes up becomes no label: the number of series is bounded."""
    for path in ("/invented", "/v1/models/invented", "/v1/responses/invented"):
        assert server.get(path).status == 404
    assert server.chat("x", model="invented").status == 404
    server.send("BREW", "/v1/models", None)
    assert b"invented" not in server.get("/metrics").body
    assert b"BREW" not in server.get("/metrics").body
