"""Subscriptions to the audit log: where each line is sent, and what becomes of those that cannot be."""

import re
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import invalid

MASKED_PASSWORD = "********"
SECOND = 1_000_000
"""Microseconds."""
FIRST_PAUSE, LONGEST_PAUSE = 5 * SECOND, 3600 * SECOND
RETENTION = 3 * 86400 * SECOND
"""How long a line waits for a subscriber that cannot be reached."""
MAX_SUBSCRIPTIONS = 10
"""Subscriptions of one kind that a tenant can have."""
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")
URL_TEXT = re.compile(r"[!-\[\]-~]+")
"""ASCII without blanks and backslashes: what every client of HTTP and AMQP reads alike."""
RESERVED_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "user-agent"}
)
"""Headers that are the sender's own, with those that begin with `webhook-`."""


class Webhook(Struct, frozen=True, kw_only=True, tag="webhook"):
    """An address that lines are posted to, with a header that says who posts; its value also signs them."""

    url: str
    auth_header_name: str
    auth_header_value: str

    def require_valid(self) -> "Webhook":
        """Itself if it can be used; raises Invalid, which names the field."""
        if _address("url", self.url, ("http", "https")).username is not None:
            raise invalid(url="A user name is not taken here: say who you are by the header")
        name = self.auth_header_name
        if not HEADER_NAME.fullmatch(name) or name.lower() in RESERVED_HEADERS or name.lower().startswith("webhook-"):
            raise invalid(auth_header_name="Input should be the name of a header, such as Authorization")
        if not HEADER_VALUE.fullmatch(self.auth_header_value):
            raise invalid(auth_header_value="Input should be the value of a header")
        return self


class Queue(Struct, frozen=True, kw_only=True, tag="amqp"):
    """A message broker that lines are published to."""

    connection_string: str
    exchange: str | None = None
    routing_key: str | None = None
    receive_child_client_events: bool = False

    def require_valid(self) -> "Queue":
        """Itself if it can be used; raises Invalid, which names the field."""
        parts = _address("connection_string", self.connection_string, ("amqp", "amqps"))
        if parts.query or parts.fragment:
            raise invalid(connection_string="Options are not taken: only user, password, host, port and virtual host")
        if parts.password == MASKED_PASSWORD:
            raise invalid(connection_string="The password is hidden here: give it again")
        return self

    @property
    def masked_connection_string(self) -> str:
        """The connection string without its password."""
        parts = urlsplit(self.connection_string)
        if parts.password is None:
            return self.connection_string
        netloc = f"{parts.username}:{MASKED_PASSWORD}@{parts.netloc.rpartition('@')[2]}"
        return urlunsplit(parts._replace(netloc=netloc))


SubscriptionTarget = Webhook | Queue


class Subscription(Struct, frozen=True, kw_only=True):
    """Where a tenant's lines go; `kind` is its target's, `next_at` the moment from which on it is tried."""

    id: int
    client_id: int
    kind: str
    target: SubscriptionTarget
    failures: int = 0
    next_at: int = 0
    created_at: int
    revision: int = 1

    def leased(self, until: int) -> "Subscription":
        """In somebody's hands for a while."""
        return replace(self, next_at=until)

    def succeeded(self, now: int) -> "Subscription":
        """As it is after all went well."""
        return replace(self, failures=0, next_at=now)

    def failed(self, now: int) -> "Subscription":
        """As it is after a failure: left alone for a while, the longer the more often it has failed."""
        pause = min(FIRST_PAUSE << min(self.failures, 20), LONGEST_PAUSE)
        return replace(self, failures=self.failures + 1, next_at=now + pause)


def new_subscription(subscription_id: int, client_id: int, target: SubscriptionTarget, now: int) -> Subscription:
    """A new one, to a target that was checked."""
    kind = "webhook" if isinstance(target, Webhook) else "amqp"
    return Subscription(id=subscription_id, client_id=client_id, kind=kind, target=target, created_at=now)


def with_target(before: Queue, **changes: Any) -> Queue:
    """A queue with other facts; raises Invalid."""
    return replace(before, **changes).require_valid()


def _address(field: str, text: str, schemes: tuple[str, ...]) -> SplitResult:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, SplitResult("", "", "", "", "")
    if not host or parts.scheme not in schemes or not URL_TEXT.fullmatch(text):
        raise invalid(**{field: f"Input should be an address that begins with {schemes[0]}:// or {schemes[1]}://"})
    return parts
