"""Traces and metrics that a real receiver of OTLP over HTTP decodes."""

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.service.conftest import serving

KINDS = {"/v1/traces": ExportTraceServiceRequest, "/v1/metrics": ExportMetricsServiceRequest}


@dataclass
class Receiver:
    """What was received: messages by path."""

    url: str = ""
    messages: dict[str, list] = field(default_factory=lambda: {path: [] for path in KINDS})

    def spans(self) -> list:
        groups = [group for one in self.messages["/v1/traces"] for group in one.resource_spans]
        return [span for group in groups for scope in group.scope_spans for span in scope.spans]

    def metrics(self) -> set[str]:
        groups = [group for one in self.messages["/v1/metrics"] for group in one.resource_metrics]
        return {metric.name for group in groups for scope in group.scope_metrics for metric in scope.metrics}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            made.messages[self.path].append(KINDS[self.path].FromString(body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def attributes(span) -> dict:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_a_request_is_a_span_and_its_stages_are_children(index, pictures, receiver):
    caller = "0123456789abcdef0123456789abcdef"
    with serving(index, otlp=receiver.url) as server:
        answer = server.http.post(
            "/search?effort=low",
            files={"file": (pictures / "0.jpg").read_bytes()},
            headers={"traceparent": f"00-{caller}-0123456789abcdef-01"},
        )
        assert answer.status_code == 200
        assert server.http.get("/images/99999").status_code == 404
    named = {span.name: span for span in receiver.spans() if span.trace_id.hex() == caller}
    assert named.keys() >= {"POST /search", "queue", "decode", "model", "search"}
    request = named["POST /search"]
    assert request.parent_span_id.hex() == "0123456789abcdef"
    about = attributes(request)
    assert about["http.response.status_code"] == 200
    assert about["copysight.request_id"] == answer.headers["x-request-id"]
    for name in ("queue", "decode", "model", "search"):
        stage = named[name]
        assert stage.parent_span_id == request.span_id
        assert request.start_time_unix_nano <= stage.end_time_unix_nano <= request.end_time_unix_nano
        assert stage.start_time_unix_nano <= stage.end_time_unix_nano
    missing = [span for span in receiver.spans() if span.name == "GET /images/{number}"]
    assert [attributes(span)["http.response.status_code"] for span in missing] == [404]
    assert receiver.metrics() >= {"http.server.request.duration", "copysight.stage.duration"}


def test_a_collector_that_is_away_disturbs_no_answer(index, pictures):
    with serving(index, otlp="http://127.0.0.1:9") as server:
        answer = server.http.post("/search", files={"file": (pictures / "0.jpg").read_bytes()})
        assert answer.status_code == 200
        assert server.http.get("/healthz").status_code == 200
