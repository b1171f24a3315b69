"""Prometheus metrics of one application."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """A registry of our own, so that two applications in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory, processor time, open files: process_*
        requests = Counter("copysight_requests", "Answered requests", ("route", "status"), registry=self.registry)
        self.rejections = Counter(
            "copysight_rejections", "Pictures and requests that were refused", ("code",), registry=self.registry
        )
        seconds = Histogram(
            "copysight_request_seconds", "Time of a request", ("route",), buckets=SECONDS, registry=self.registry
        )
        stages = Histogram(
            "copysight_stage_seconds", "Time of one stage", ("stage",), buckets=SECONDS, registry=self.registry
        )
        self.batch = Histogram(
            "copysight_batch_pictures", "Pictures of one model call", buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )  # fmt: skip
        self.variant = Gauge(
            "copysight_variant", "1 for the precision that answers queries", ("variant",), registry=self.registry
        )
        self.variant_seconds = Gauge(
            "copysight_variant_seconds", "Processor time of one picture, measured at the start", ("variant",),
            registry=self.registry,
        )  # fmt: skip
        # Found once: `labels` takes several times as long as to count.
        self._requests, self._seconds, self._stage = cache(requests.labels), cache(seconds.labels), cache(stages.labels)
        self.gauges = {
            name: Gauge(f"copysight_{name}", text, registry=self.registry)
            for name, text in (
                ("queue_pictures", "Pictures that wait for the model"),
                ("index_items", "Items that a search can find"),
                ("index_delta", "Items that are newer than the generation"),
                ("index_tombstones", "Deleted items that the generation still holds"),
                ("index_recall", "Measured recall of the generation against exact search"),
                ("index_age_seconds", "Age of the generation"),
                ("index_sequence", "Change sequence of the catalog"),
                ("index_fault", "1 while the live generation is damaged and an older one answers"),
                ("index_disk_bytes", "Size of the disk that holds the index"),
                ("index_disk_free_bytes", "What is left of it"),
                ("rebuild_failed", "1 when the latest rebuild failed"),
            )
        }

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count an answered request and note its time."""
        self._requests(route, str(status)).inc()
        self._seconds(route).observe(seconds)

    def stage(self, name: str, seconds: float) -> None:
        """Note the time of one stage of one picture or request."""
        self._stage(name).observe(seconds)

    def text(self) -> bytes:
        """All of it in the text format."""
        return generate_latest(self.registry)
