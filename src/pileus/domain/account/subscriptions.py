"""Subscriptions to the audit log: targets, and retries of failed deliveries."""

import re
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.errors import invalid

MASKED_PASSWORD = "********"  # noqa: S105  # a mask, no secret
SECOND = 1_000_000
"""Microseconds."""
FIRST_PAUSE, LONGEST_PAUSE = 5 * SECOND, 3600 * SECOND
RETENTION = 3 * 86400 * SECOND
"""How long an action is kept for a subscriber that cannot be reached."""
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile(r"[\x20-\x7e\t]*")
URL_TEXT = re.compile(r"[!-\[\]-~]+")
"""ASCII without spaces and backslashes, which all HTTP and AMQP clients parse alike."""
RESERVED_HEADERS = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection", "user-agent"}
)
"""Headers that the sender sets itself, as those that begin with `webhook-`."""


class WebhookTarget(Struct, frozen=True, kw_only=True, tag="webhook"):
    """A URL that actions are posted to, with an authentication header. Its value also signs the requests."""

    url: str
    auth_header_name: str
    auth_header_value: str

    def require_valid(self) -> "WebhookTarget":
        """Return the target if it is valid. Raises Invalid."""
        if _parse_url("url", self.url, ("http", "https")).username is not None:
            raise invalid(url="A user name is not allowed in the URL: use the authentication header")
        name = self.auth_header_name
        if not HEADER_NAME.fullmatch(name) or name.lower() in RESERVED_HEADERS or name.lower().startswith("webhook-"):
            raise invalid(auth_header_name="Input should be the name of a header, such as Authorization")
        if not HEADER_VALUE.fullmatch(self.auth_header_value):
            raise invalid(auth_header_value="Input should be the value of a header")
        return self


class QueueTarget(Struct, frozen=True, kw_only=True, tag="amqp"):
    """A message broker that actions are published to."""

    connection_string: str
    exchange: str | None = None
    routing_key: str | None = None
    receive_child_client_events: bool = False

    def require_valid(self) -> "QueueTarget":
        """Return the target if it is valid. Raises Invalid."""
        parts = _parse_url("connection_string", self.connection_string, ("amqp", "amqps"))
        if parts.query or parts.fragment:
            raise invalid(connection_string="Only user, password, host, port and virtual host are allowed")
        if parts.password == MASKED_PASSWORD:
            raise invalid(connection_string="The password is masked: give the real one")
        return self

    @property
    def masked_connection_string(self) -> str:
        """The connection string without its password."""
        parts = urlsplit(self.connection_string)
        if parts.password is None:
            return self.connection_string
        netloc = f"{parts.username}:{MASKED_PASSWORD}@{parts.netloc.rpartition('@')[2]}"
        return urlunsplit(parts._replace(netloc=netloc))


SubscriptionTarget = WebhookTarget | QueueTarget


class Subscription(Struct, frozen=True, kw_only=True):
    """A tenant's subscription; `kind` is the kind of its target, `next_at` the time of the next delivery."""

    id: int
    client_id: int
    kind: str
    target: SubscriptionTarget
    failures: int = 0
    next_at: int = 0
    created_at: int
    revision: int = 1

    def leased(self, until: int) -> "Subscription":
        """Lease the subscription to a worker until a time."""
        return replace(self, next_at=until)

    def after_successful_delivery(self, now: int) -> "Subscription":
        """Reset the failures after a successful delivery."""
        return replace(self, failures=0, next_at=now)

    def after_failed_delivery(self, now: int) -> "Subscription":
        """Count a failure and postpone the next delivery, with exponential backoff."""
        pause = min(FIRST_PAUSE << min(self.failures, 20), LONGEST_PAUSE)
        return replace(self, failures=self.failures + 1, next_at=now + pause)


def new_subscription(subscription_id: int, client_id: int, target: SubscriptionTarget, now: int) -> Subscription:
    """Create a subscription to a valid target."""
    kind = "webhook" if isinstance(target, WebhookTarget) else "amqp"
    return Subscription(id=subscription_id, client_id=client_id, kind=kind, target=target, created_at=now)


def queue_with_changes(queue: QueueTarget, **changes: Any) -> QueueTarget:
    """Change fields of a queue. Raises Invalid."""
    return replace(queue, **changes).require_valid()


def _parse_url(field: str, text: str, schemes: tuple[str, ...]) -> SplitResult:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, SplitResult("", "", "", "", "")
    if not host or parts.scheme not in schemes or not URL_TEXT.fullmatch(text):
        raise invalid(**{field: f"Input should be a URL that begins with {schemes[0]}:// or {schemes[1]}://"})
    return parts
