"""Bodies of requests for metrics."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

SECOND = 1_000_000
"""Microseconds."""
UNIT_SECONDS = {"hour": 3600, "day": 86_400}
SHORTEST_INTERVAL = 300
"""Seconds between two samples; the interval is longer if more than `MAX_SAMPLES` would be needed."""
MAX_SAMPLES = 1000


class MetricsRequest(Struct, kw_only=True):
    """The period of the metrics: this many hours or days until now."""

    time_interval: Annotated[int, Meta(ge=1, le=10_000)]
    time_unit: Literal["day", "hour"]

    def period(self, now: int, created_at: int) -> tuple[int, int, int]:
        """Return begin and end in microseconds, and the number of samples. Nothing is measured before `created_at`."""
        start = max(created_at, now - self.time_interval * UNIT_SECONDS[self.time_unit] * SECOND)
        count = min(MAX_SAMPLES, max(1, (now - start) // (SHORTEST_INTERVAL * SECOND)))
        return start, now, count
