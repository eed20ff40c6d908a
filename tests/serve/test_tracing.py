"""Spans, as a collector on this machine receives them."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.serve.running import ROOT, RunningServer, chat_body, scripted

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACED = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


class Collector(ThreadingHTTPServer):
    """Keeps what is sent to it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.spans: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def named(self, **attributes: Any) -> Any:
        """The only span with these attributes, dots written as underscores."""
        wanted = attributes.items()
        (found,) = [
            span for span in self.spans if wanted <= {k.replace(".", "_"): v for k, v in facts(span).items()}.items()
        ]
        return found


class Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["content-length"]))
        assert self.path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def facts(span: Any) -> dict[str, Any]:
    """A span's attributes as plain values that can be compared."""
    found = {}
    for each in span.attributes:
        kind = each.value.WhichOneof("value")
        value = getattr(each.value, kind)
        found[each.key] = tuple(item.string_value for item in value.values) if kind == "array_value" else value
    return found


def underscored(span: Any) -> dict[str, Any]:
    return {name.replace(".", "_"): value for name, value in facts(span).items()}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """A collector that has the spans of a server which has ended."""
    with Collector() as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        with scripted(otlp_endpoint=found.url, key="key-one") as server:
            ask(server.wait_ready())
            server.signal()
            assert server.wait() == 0
        kinds = {"task": "embed", "width": 16, "more": {"ranker": {"task": "score", "width": 1}}}
        with scripted(kinds, light=True, otlp_endpoint=found.url) as server:
            embed(server.wait_ready())
            server.signal()
            assert server.wait() == 0
        found.shutdown()
        thread.join()
        yield found


def ask(server: RunningServer) -> None:
    fields = {"max_tokens": 5, "seed": 2**63, "top_p": 0.5}
    assert server.post("/v1/chat/completions", chat_body("secret-text", n=2, **fields), **TRACED).status == 200
    assert list(server.stream({"prompt": "x", "max_tokens": 3}, "/v1/completions").events())
    assert server.chat("^").status == 500
    assert server.chat("x", temperature=-1).status == 400
    assert server.get("/v1/models", authorization="", **{"traceparent": "nonsense \xe9"}).status == 401
    assert server.get("/health").status == 200


def embed(server: RunningServer) -> None:
    fields = {"input": ["secret-text", "b"], "dimensions": 8, "encoding_format": "base64"}
    assert server.post("/v1/embeddings", fields).status == 200
    assert server.post("/v1/embeddings", {"input": "x", "dimensions": 99}).status == 400
    pairs = {"model": "ranker", "query": "q", "documents": ["a", "b"]}
    assert server.post("/v1/rerank", pairs).status == 200


def test_spans_of_embeddings_and_ranking(collector: Collector) -> None:
    span = collector.named(gen_ai_embeddings_dimension_count=8)
    found = facts(span)
    assert span.name == "embeddings scripted"
    assert found["gen_ai.operation.name"] == "embeddings"
    assert found["gen_ai.request.model"] == found["gen_ai.response.model"] == "scripted"
    assert found["gen_ai.provider.name"] == "mistralrs"
    assert found["gen_ai.usage.input_tokens"] > 0
    assert found["gen_ai.request.encoding_formats"] == ("base64",)
    ranked = collector.named(gen_ai_operation_name="rerank")
    assert ranked.name == "rerank ranker"
    assert facts(ranked)["gen_ai.usage.input_tokens"] > 0
    wrong = collector.named(gen_ai_operation_name="embeddings", http_response_status_code=400)
    assert facts(wrong)["gen_ai.request.model"] == "scripted"


def test_a_span_says_what_was_asked_and_given(collector: Collector) -> None:
    span = collector.named(gen_ai_request_max_tokens=5)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert span.name == "chat scripted"
    found = facts(span)
    assert found["gen_ai.operation.name"] == "chat"
    assert found["gen_ai.request.model"] == found["gen_ai.response.model"] == "scripted"
    assert (found["gen_ai.request.top_p"], found["gen_ai.request.seed"]) == (0.5, str(2**63))
    assert found["gen_ai.usage.output_tokens"] == 10
    assert found["gen_ai.usage.input_tokens"] > 0
    assert found["gen_ai.response.finish_reasons"] == ("length", "length")
    seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    assert 0 < found["gen_ai.server.time_to_first_token"] <= seconds
    assert (found["http.route"], found["http.response.status_code"]) == ("/v1/chat/completions", 200)
    assert found["mistralrs.request_id"].startswith("req-")


def test_streams_failures_and_refusals(collector: Collector) -> None:
    assert collector.named(gen_ai_request_max_tokens=3).name == "text_completion scripted"
    failed = collector.named(http_response_status_code=500)
    assert (failed.status.code, facts(failed)["error.type"]) == (2, "EngineError")
    assert collector.named(http_response_status_code=400, http_route="/v1/chat/completions").name == "POST"
    refused = collector.named(http_response_status_code=401)
    assert refused.status.code == 0
    assert len(collector.spans) == 8


def test_no_text_and_no_key_is_told(collector: Collector) -> None:
    everything = "".join(str(span) for span in collector.spans)
    assert "secret-text" not in everything
    assert "key-one" not in everything


def test_a_collector_that_is_not_there_troubles_nobody() -> None:
    with scripted(light=True, otlp_endpoint="http://127.0.0.1:9") as server:
        server.wait_ready()
        assert server.chat("x").status == 200
        server.signal()
        assert server.wait() == 0


def test_without_one_nothing_is_imported() -> None:
    code = "import sys, tests.serve.scripted_server; sys.exit('opentelemetry.sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_an_address_must_be_one() -> None:
    command = [sys.executable, "-m", "mistralrs", "serve", "--otlp-endpoint", "127.0.0.1:4318"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert ended.returncode == 2
    assert "--otlp-endpoint" in ended.stderr
