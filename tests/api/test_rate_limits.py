"""Rate limits of API keys."""

import pytest

from pileus.api.rate_limits import BURST_SECONDS, MAX_BUCKETS, RateLimiter
from pileus.domain.errors import TooManyRequests
from pileus.settings import Settings
from tests.tenants import Tenant

RATE = 10


class Clock:
    """A clock that stands still until a test moves it."""

    seconds = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> RateLimiter:
    return RateLimiter(RATE, clock)


def empty_bucket(limiter: RateLimiter, key: int) -> None:
    for _ in range(RATE * BURST_SECONDS):
        limiter.check(key)


def test_a_key_may_send_a_burst_and_then_has_to_wait(limiter: RateLimiter, clock: Clock) -> None:
    empty_bucket(limiter, 1)

    with pytest.raises(TooManyRequests) as refusal:
        limiter.check(1)
    assert refusal.value.retry_after == pytest.approx(1 / RATE)
    clock.seconds += 1 / RATE
    limiter.check(1)
    with pytest.raises(TooManyRequests):
        limiter.check(1)


def test_a_look_at_the_tokens_of_a_key_takes_none(limiter: RateLimiter, clock: Clock) -> None:
    assert limiter.has_token(1)
    empty_bucket(limiter, 1)

    assert not limiter.has_token(1)
    clock.seconds += 1 / RATE
    assert limiter.has_token(1)
    limiter.check(1)


def test_keys_do_not_share_a_limit(limiter: RateLimiter) -> None:
    empty_bucket(limiter, 1)

    limiter.check(2)


def test_a_bucket_does_not_grow_beyond_a_burst(limiter: RateLimiter, clock: Clock) -> None:
    limiter.check(1)
    clock.seconds += 3600
    empty_bucket(limiter, 1)

    with pytest.raises(TooManyRequests):
        limiter.check(1)


def test_the_memory_of_buckets_is_bounded(limiter: RateLimiter) -> None:
    empty_bucket(limiter, 0)
    for key in range(1, MAX_BUCKETS + 1):
        limiter.check(key)

    limiter.check(0)


async def test_a_request_over_the_limit_is_told_when_to_try_again(
    tenant: Tenant, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenant.running.app_state, "rate_limiter", RateLimiter(1, clock))
    answers = [await tenant.api.get("/cloud/v1/projects") for _ in range(BURST_SECONDS + 1)]

    assert [answer.status_code for answer in answers] == [200] * BURST_SECONDS + [429]
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].json()["exception_class"] == "TooManyRequests"


@pytest.mark.parametrize(
    ("settings", "is_simulated", "rate"),
    [
        (Settings(), True, 0),
        (Settings(host="0.0.0.0"), True, 100),  # noqa: S104  # compared, not listened on
        (Settings(), False, 100),
        (Settings(rate_limit="250"), True, 250),
        (Settings(rate_limit="off"), False, 0),
    ],
)
def test_a_cloud_on_a_laptop_has_no_limit_by_default(settings: Settings, is_simulated: bool, rate: int) -> None:  # noqa: FBT001  # a parameter of the test
    assert settings.requests_per_second(is_simulated=is_simulated) == rate
