"""Metrics of the deletion of old rows."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge


class RetentionMetrics:
    """Counts the rows that are deleted after their retention period."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._deleted_rows = Counter(
            "pileus_deleted_rows_total", "Rows deleted after their retention period.", ("table",), registry=registry
        )
        self._last_run = Gauge(
            "pileus_last_retention_run_timestamp_seconds",
            "When a server process last finished deleting old rows; 0 if none has since it was started.",
            registry=registry,
            multiprocess_mode="max",
        )

    def count_run(self, deleted_rows: Mapping[str, int]) -> None:
        """Count the rows that a run has deleted, by table."""
        for table, count in deleted_rows.items():
            self._deleted_rows.labels(table).inc(count)
        self._last_run.set_to_current_time()
