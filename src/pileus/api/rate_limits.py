"""Rate limits of API keys: a token bucket for each."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

from pileus.domain.errors import TooManyRequests

BURST_SECONDS = 5
"""A key that was idle may send this many seconds' worth of requests at once."""
MAX_BUCKETS = 10_000
"""Beyond it, the bucket that was used least recently is forgotten, which fills it."""


class RateLimiter:
    """Allows each key `rate` requests a second. `clock` returns seconds. The limit holds for one server process."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = rate * BURST_SECONDS
        self._clock = clock
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def check(self, key: Hashable) -> None:
        """Take a token of the key. Raises TooManyRequests if it has none."""
        now = self._clock()
        tokens = self._count_tokens(key, now)
        if allowed := tokens >= 1:
            tokens -= 1
        self._buckets.pop(key, None)
        self._buckets[key] = (tokens, now)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        if not allowed:
            raise TooManyRequests(f"This API key may send {self._rate:g} requests a second", (1 - tokens) / self._rate)

    def has_token(self, key: Hashable) -> bool:
        """Return whether the key has a token now."""
        return self._count_tokens(key, self._clock()) >= 1

    def _count_tokens(self, key: Hashable, now: float) -> float:
        tokens, filled_at = self._buckets.get(key, (self._burst, now))
        return min(self._burst, tokens + (now - filled_at) * self._rate)
