"""A span for each request, sent to a collector of OpenTelemetry. Imported only when somebody wants that.

Names are those of OpenTelemetry's semantic conventions for HTTP servers and for generative AI; texts are never sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import mistralrs
from mistralrs.api.asynchronous import AnswerOutput, SamplingParams, Tokens
from mistralrs_plugins.frontends.serve.access import METHODS
from mistralrs_plugins.frontends.serve.guard import OPEN_PATHS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

UNTRACED = OPEN_PATHS | {"/metrics"}
OPERATIONS = {
    "/v1/completions": "text_completion",
    "/v1/embeddings": "embeddings",
    "/v1/rerank": "rerank",
    "/v1/score": "score",
}
"""The first two are names of the conventions, the others follow them."""
SAMPLING = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "max_tokens", "seed")
EXPORT_SECONDS = 5.0
PARENT_HEADERS = ("traceparent", "tracestate")


class GenerationTrace:
    """The span of one request, told what is generated for it."""

    def __init__(self, span: Span, path: str) -> None:
        self._span = span
        self._operation = OPERATIONS.get(path, "chat")
        self._started = time.perf_counter()
        self._reasons: list[str] = []
        self._inputs = self._outputs = 0
        self._seen_text = False

    def watching(
        self, model: str, sampling: SamplingParams, watch: Callable[[AnswerOutput], None]
    ) -> Callable[[AnswerOutput], None]:
        """Note what is asked for; returns an observer of its answers that tells ``watch`` too."""
        self.began(model)
        for name in SAMPLING:
            value = getattr(sampling, name)
            if value is not None:  # a seed may have more bits than OpenTelemetry's integers
                self._span.set_attribute(f"gen_ai.request.{name}", str(value) if name == "seed" else value)

        def observe(output: AnswerOutput) -> None:
            watch(output)
            self._note(output)

        return observe

    def began(self, model: str) -> None:
        """Note which model is asked for what."""
        self._span.update_name(f"{self._operation} {model}")
        names = {"operation.name": self._operation, "provider.name": "mistralrs"}
        names |= {"request.model": model, "response.model": model}
        for name, value in names.items():
            self._span.set_attribute(f"gen_ai.{name}", value)

    def embedded(self, tokens: int) -> None:
        """Note how many tokens were turned into vectors or scores."""
        self._span.set_attribute("gen_ai.usage.input_tokens", tokens)

    def wrote(self, dimensions: int, encoding: str) -> None:
        """Note what kind of vectors were given."""
        self._span.set_attribute("gen_ai.embeddings.dimension.count", dimensions)
        self._span.set_attribute("gen_ai.request.encoding_formats", [encoding])

    def _note(self, output: AnswerOutput) -> None:
        if isinstance(output, Tokens):
            if not self._seen_text:
                self._seen_text = True
                seconds = time.perf_counter() - self._started
                self._span.set_attribute("gen_ai.server.time_to_first_token", seconds)
            return
        self._reasons.append(output.reason.value)
        self._inputs += output.usage.prompt_tokens
        self._outputs += output.usage.completion_tokens
        self._span.set_attribute("gen_ai.response.finish_reasons", list(self._reasons))
        self._span.set_attribute("gen_ai.usage.input_tokens", self._inputs)
        self._span.set_attribute("gen_ai.usage.output_tokens", self._outputs)
        if output.error is not None:
            self._span.set_attribute("error.type", type(output.error).__name__)
            self._span.set_status(StatusCode.ERROR)


class Traced:
    """ASGI middleware that makes the spans. A client's ``traceparent`` becomes their parent."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer
        self._propagator = TraceContextTextMapPropagator()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on within a span."""
        if scope["type"] != "http" or scope["path"] in UNTRACED:
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        parent = self._propagator.extract({name: headers[name] for name in PARENT_HEADERS if name in headers})
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        span = self._tracer.start_span(method, parent, kind=SpanKind.SERVER)
        span.set_attribute("http.request.method", method)
        scope["trace"] = GenerationTrace(span, scope["path"])

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                span.set_attribute("http.response.status_code", message["status"])
                if message["status"] >= 500:
                    span.set_status(StatusCode.ERROR)
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            span.set_attribute("http.route", getattr(scope.get("route"), "path", ""))
            span.set_attribute("mistralrs.request_id", scope.get("request_id", ""))
            span.end()


class Tracing:
    """Where spans go: to ``endpoint``, the base address of a collector, or where the environment says."""

    def __init__(self, endpoint: str | None) -> None:
        about = {SERVICE_NAME: "mistralrs", SERVICE_VERSION: mistralrs.__version__}
        url = None if endpoint is None else f"{endpoint.rstrip('/')}/v1/traces"
        self._provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=url, timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))

    def around(self, app: ASGIApp) -> ASGIApp:
        """``app``, with a span for each of its requests."""
        return Traced(app, self._provider.get_tracer("mistralrs", mistralrs.__version__))

    def close(self) -> None:
        """Send what is left. Waits for the collector, though not for long."""
        self._provider.shutdown()
