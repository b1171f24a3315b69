"""Prometheus metrics of one application."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """A registry of our own, so that two applications in one process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory, processor time, open files: process_*
        self.requests = Counter("copysight_requests", "Answered requests", ("route", "status"), registry=self.registry)
        self.rejections = Counter(
            "copysight_rejections", "Pictures and requests that were refused", ("code",), registry=self.registry
        )
        self.seconds = Histogram(
            "copysight_request_seconds", "Time of a request", ("route",), buckets=SECONDS, registry=self.registry
        )
        self._stages = Histogram(
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

    def stage(self, name: str, seconds: float) -> None:
        """Note the time of one stage of one picture or request."""
        self._stages.labels(name).observe(seconds)

    def text(self) -> bytes:
        """All of it in the text format."""
        return generate_latest(self.registry)
