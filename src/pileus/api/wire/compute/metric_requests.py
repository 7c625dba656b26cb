"""Bodies of requests for metrics."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

UNIT_SECONDS = {"hour": 3600, "day": 86_400}
SHORTEST_INTERVAL = 300
"""Seconds between two samples; the interval is longer if more than `MAX_SAMPLES` would be needed."""
MAX_SAMPLES = 1000


class MetricsRequest(Struct, kw_only=True):
    """The period of the metrics: this many hours or days until now."""

    time_interval: Annotated[int, Meta(ge=1, le=10_000)]
    time_unit: Literal["day", "hour"]

    @property
    def period_seconds(self) -> int:
        """The length of the period in seconds."""
        return self.time_interval * UNIT_SECONDS[self.time_unit]

    @property
    def sample_count(self) -> int:
        """The number of samples in the period."""
        return min(MAX_SAMPLES, max(1, self.period_seconds // SHORTEST_INTERVAL))

    def period_start(self, now: int) -> int:
        """Return the begin of the period in microseconds."""
        return max(0, now - self.period_seconds * 1_000_000)
