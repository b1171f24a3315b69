"""Export spans and metrics by OTLP over HTTP, with the SDK of OpenTelemetry."""

import time
from collections.abc import Iterable, Mapping
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TIMEOUT_SECONDS = 5
NANOSECONDS = 1_000_000_000


class Otlp:
    """Sends to a collector in the background. What a collector that is away does not take is dropped.

    ``OTEL_RESOURCE_ATTRIBUTES``, ``OTEL_TRACES_SAMPLER`` and others of the SDK apply.
    """

    def __init__(self, address: str) -> None:
        base = address.rstrip("/")
        resource = Resource.create({"service.name": "copysight", "service.version": version("copysight")})
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        spans = OTLPSpanExporter(endpoint=f"{base}/v1/traces", timeout=TIMEOUT_SECONDS)
        self._tracers.add_span_processor(BatchSpanProcessor(spans))
        self._tracer = self._tracers.get_tracer("copysight")
        metrics = OTLPMetricExporter(endpoint=f"{base}/v1/metrics", timeout=TIMEOUT_SECONDS)
        self._meters = MeterProvider([PeriodicExportingMetricReader(metrics)], resource, shutdown_on_exit=False)
        meter = self._meters.get_meter("copysight")
        self._requests = meter.create_histogram("http.server.request.duration", "s", "Seconds of a request.")
        self._stages = meter.create_histogram("copysight.stage.duration", "s", "Seconds of one processing stage.")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, headers: Mapping[str, str]) -> Span:
        """A span of a request."""
        context = self._propagator.extract(headers)
        return self._tracer.start_span("request", context, SpanKind.SERVER)

    def end(self, span: Span, method: str, route: str, status: int, request: str, seconds: float) -> None:
        """The request was answered."""
        about: dict[str, str | int] = {
            "http.request.method": method,
            "http.route": route,
            "http.response.status_code": status,
        }
        self._requests.record(seconds, about)
        span.update_name(f"{method} {route}")
        span.set_attributes(about | {"copysight.request_id": request})
        if status >= 500:
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def stage(self, name: str, seconds: float, spans: Iterable[Span]) -> None:
        """A stage of these requests has just ended."""
        self._stages.record(seconds, {"stage": name})
        end = time.time_ns()
        for parent in spans:
            child = self._tracer.start_span(
                name, trace.set_span_in_context(parent), start_time=end - int(seconds * NANOSECONDS)
            )
            child.end(end)

    def close(self) -> None:
        """Send what is left."""
        self._tracers.shutdown()
        self._meters.shutdown()
