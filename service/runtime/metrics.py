"""Prometheus metrics of one application."""

from collections.abc import Iterable
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from service.runtime import telemetry
from service.runtime.telemetry import Span, Telemetry

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
GAUGES = {
    "queue_pictures": "Number of pictures that wait for the model or are in it.",
    "index_items": "Number of items that a search can find.",
    "index_delta": "Number of items that were added after the live generation was built.",
    "index_tombstones": "Number of deleted items that the live generation still contains.",
    "index_recall": "Recall of the live generation, measured against exact search.",
    "index_age_seconds": "Age of the live generation in seconds.",
    "index_sequence": "Change sequence number of the catalog.",
    "index_fault": "1 if the live generation is damaged and an older one answers, else 0.",
    "index_disk_bytes": "Size in bytes of the disk that holds the index.",
    "index_disk_free_bytes": "Free bytes on the disk that holds the index.",
    "rebuild_failed": "1 if the latest rebuild failed, else 0.",
    "webhook_pending": "Number of events that wait for their delivery to a webhook.",
    "webhook_failed": "Number of events whose delivery to a webhook was given up.",
    "webhook_oldest_seconds": "Age in seconds of the oldest event that waits for its delivery; 0 if none does.",
    "reviews_open": "Number of matches that wait for a review.",
}


class Metrics:
    """All metrics, in a registry of their own: two applications in one process stay separate.

    ``telemetry`` hears of stages, too; None: there is no collector.
    """

    def __init__(self, telemetry: Telemetry | None = None) -> None:
        self.telemetry = telemetry
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory, processor time, open files: process_*
        requests = Counter(
            "copysight_requests", "Number of answered requests.", ("route", "status"), registry=self.registry
        )
        self.rejections = Counter(
            "copysight_rejections", "Number of pictures and requests that failed, by error code.", ("code",),
            registry=self.registry,
        )  # fmt: skip
        seconds = Histogram(
            "copysight_request_seconds", "Seconds from the start of a request to the end of its answer.", ("route",),
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        stages = Histogram(
            "copysight_stage_seconds", "Seconds of one processing stage: queue, decode, model, search.", ("stage",),
            buckets=SECONDS, registry=self.registry,
        )  # fmt: skip
        self.webhooks = Counter(
            "copysight_webhook_attempts", "Number of attempts to deliver an event: delivered, retry or failed.",
            ("outcome",), registry=self.registry,
        )  # fmt: skip
        self.batch = Histogram(
            "copysight_batch_pictures", "Number of pictures in one model call.", buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )  # fmt: skip
        self.variant = Gauge(
            "copysight_variant", "1 for the precision that answers queries, 0 for the others.", ("variant",),
            registry=self.registry,
        )  # fmt: skip
        self.variant_seconds = Gauge(
            "copysight_variant_seconds", "Processor seconds of one picture, measured at the start.", ("variant",),
            registry=self.registry,
        )  # fmt: skip
        # Cached, because `labels` takes several times as long as the increment.
        self._requests, self._seconds, self._stage = cache(requests.labels), cache(seconds.labels), cache(stages.labels)
        self.gauges = {name: Gauge(f"copysight_{name}", text, registry=self.registry) for name, text in GAUGES.items()}

    def observe_request(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request and record its time."""
        self._requests(route, str(status)).inc()
        self._seconds(route).observe(seconds)

    def observe_stage(self, name: str, seconds: float, spans: Iterable[Span | None] | None = None) -> None:
        """Record the time of one stage of a picture or request.

        ``spans``: those of the requests that it belongs to; None: the one of this context.
        """
        self._stage(name).observe(seconds)
        if self.telemetry is not None:
            known = (telemetry.current(),) if spans is None else spans
            self.telemetry.stage(name, seconds, [one for one in known if one is not None])

    def text(self) -> bytes:
        """All metrics in the Prometheus text format."""
        return generate_latest(self.registry)
