"""Limits of logins: how often a password may be guessed, and how many are checked at once."""

import asyncio
import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from pileus.domain.errors import TooManyRequests

SECOND = 1_000_000
"""Microseconds."""
WINDOW = 300 * SECOND
MOST_PER_USER, MOST_PER_PEER = 10, 100
"""Failed logins in a window."""
MAX_COUNTED = 10_000
"""Users and peers that are remembered."""
MOST_WAITING = 50
"""Logins that wait for their turn."""


@dataclass(slots=True)
class FailedLogins:
    """The failed logins of a user or a peer since `started_at`."""

    started_at: int
    count: int = 0


class LoginLimits:
    """The limits of one process."""

    def __init__(self) -> None:
        self._failed_by_key: OrderedDict[str, FailedLogins] = OrderedDict()
        self._waiting = 0
        self.turn = asyncio.Lock()
        """Passwords are hashed and checked one at a time, so that they occupy one thread."""

    def begin_login(self, email: str, peer: str, now: int) -> None:
        """Count a login as failed until `end_login`. Raises TooManyRequests.

        Counting before the check bounds the logins that run at the same time.
        """
        counters = [
            (self._get_counter(f"user {email}", now), MOST_PER_USER),
            (self._get_counter(f"peer {_network_of(peer)}", now), MOST_PER_PEER),
        ]
        for counter, most in counters:
            if counter.count >= most:
                seconds = 1 + (counter.started_at + WINDOW - now) // SECOND
                raise TooManyRequests("Too many failed logins: try again later", seconds)
        if self._waiting >= MOST_WAITING:
            raise TooManyRequests("Too many logins at the same time: try again later", 1)
        self._waiting += 1
        for counter, _ in counters:
            counter.count += 1

    def end_login(self, email: str, peer: str, *, succeeded: bool) -> None:
        """End a login. A successful one clears the failures of the user, and does not count for the peer."""
        self._waiting -= 1
        if not succeeded:
            return
        self._failed_by_key.pop(f"user {email}", None)
        if counter := self._failed_by_key.get(f"peer {_network_of(peer)}"):
            counter.count = max(0, counter.count - 1)

    def _get_counter(self, key: str, now: int) -> FailedLogins:
        counter = self._failed_by_key.get(key)
        if counter is None or not counter.started_at <= now < counter.started_at + WINDOW:
            counter = self._failed_by_key[key] = FailedLogins(now)
        self._failed_by_key.move_to_end(key)
        if len(self._failed_by_key) > MAX_COUNTED:
            self._failed_by_key.popitem(last=False)
        return counter


def _network_of(peer: str) -> str:
    """Return an IPv4 address, or the network that one subscriber has in IPv6."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return peer
    return peer if address.version == 4 else str(ipaddress.ip_network((int(address), 64), strict=False))  # noqa: PLR2004  # IPv4
