"""Subscriptions to the audit log as the API returns them."""

from msgspec import Struct

from pileus.api.wire.common import make_view
from pileus.domain.account.subscriptions import MASKED_PASSWORD, QueueTarget, WebhookTarget


class WebhookView(Struct, kw_only=True):
    """A URL that entries are posted to. The value of the header is masked."""

    id: int
    url: str
    auth_header_name: str
    auth_header_value: str

    @classmethod
    def of(cls, subscription_id: int, target: WebhookTarget) -> "WebhookView":
        """Make the view of a subscription."""
        return make_view(cls, target, id=subscription_id, auth_header_value=MASKED_PASSWORD)


class QueueView(Struct, kw_only=True):
    """A message broker that entries are published to. Its password is masked."""

    id: int
    connection_string: str
    exchange: str | None
    routing_key: str | None
    receive_child_client_events: bool

    @classmethod
    def of(cls, subscription_id: int, target: QueueTarget) -> "QueueView":
        """Make the view of a subscription."""
        return make_view(cls, target, id=subscription_id, connection_string=target.masked_connection_string)
