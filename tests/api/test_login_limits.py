"""Limits of logins: guesses of a password, and logins at the same time."""

from collections.abc import Callable

import pytest

from pileus.api.login_limits import (
    MAX_COUNTED,
    MOST_PER_PEER,
    MOST_PER_USER,
    MOST_WAITING,
    WINDOW,
    LoginLimits,
)
from pileus.domain.errors import TooManyRequests

ANN, HOME = "ann@example.com", "192.0.2.1"


@pytest.fixture
def limits() -> LoginLimits:
    """Limits without failures."""
    return LoginLimits()


def fail_logins(
    limits: LoginLimits, count: int, email_of: Callable[[int], str], peer_of: Callable[[int], str], now: int = 0
) -> None:
    for number in range(count):
        limits.begin_login(email_of(number), peer_of(number), now)
        limits.end_login(email_of(number), peer_of(number), succeeded=False)


def test_a_users_password_can_be_guessed_ten_times_from_anywhere(limits: LoginLimits) -> None:
    fail_logins(limits, MOST_PER_USER, lambda _: ANN, lambda number: f"192.0.2.{number}")

    with pytest.raises(TooManyRequests) as refusal:
        limits.begin_login(ANN, "192.0.2.200", WINDOW // 2)
    assert refusal.value.retry_after == 151
    limits.begin_login("bob@example.com", "192.0.2.200", WINDOW // 2)


def test_a_peer_can_guess_a_hundred_times(limits: LoginLimits) -> None:
    fail_logins(limits, MOST_PER_PEER, lambda number: f"user-{number}@example.com", lambda _: HOME)

    with pytest.raises(TooManyRequests):
        limits.begin_login(ANN, HOME, 0)
    limits.begin_login(ANN, "192.0.2.2", 0)


def test_a_network_of_ipv6_is_one_peer(limits: LoginLimits) -> None:
    fail_logins(limits, MOST_PER_PEER, lambda number: f"{number}@example.com", lambda number: f"2001:db8::{number:x}")

    with pytest.raises(TooManyRequests):
        limits.begin_login(ANN, "2001:db8::ffff:1", 0)
    limits.begin_login(ANN, "2001:db8:0:1::1", 0)


def test_the_window_ends(limits: LoginLimits) -> None:
    fail_logins(limits, MOST_PER_USER, lambda _: ANN, lambda _: HOME)

    limits.begin_login(ANN, HOME, WINDOW)


def test_a_login_clears_the_failures_of_its_user(limits: LoginLimits) -> None:
    fail_logins(limits, MOST_PER_USER - 1, lambda _: ANN, lambda _: HOME)
    limits.begin_login(ANN, HOME, 0)
    limits.end_login(ANN, HOME, succeeded=True)

    fail_logins(limits, MOST_PER_USER, lambda _: ANN, lambda _: HOME)


def test_logins_that_still_run_count(limits: LoginLimits) -> None:
    for _ in range(MOST_PER_USER):
        limits.begin_login(ANN, HOME, 0)

    with pytest.raises(TooManyRequests):
        limits.begin_login(ANN, HOME, 0)


def test_logins_that_wait_are_bounded(limits: LoginLimits) -> None:
    for number in range(MOST_WAITING):
        limits.begin_login(f"{number}@example.com", HOME, 0)

    with pytest.raises(TooManyRequests):
        limits.begin_login(ANN, HOME, 0)
    limits.end_login("0@example.com", HOME, succeeded=False)
    limits.begin_login(ANN, HOME, 0)


def test_remembered_failures_are_bounded(limits: LoginLimits) -> None:
    fail_logins(
        limits, MAX_COUNTED, lambda number: f"{number}@b.c", lambda number: f"10.0.{number >> 8}.{number & 255}"
    )

    assert len(limits._failed_by_key) == MAX_COUNTED  # noqa: SLF001  # the bound cannot be seen from outside
