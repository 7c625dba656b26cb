"""The Protocol of the notifier."""

from typing import Protocol

from pileus.domain.account.subscriptions import SubscriptionTarget


class NotSentError(Exception):
    """A message was not delivered; `refused` if another try cannot succeed."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class Notifier(Protocol):
    """Sends messages to subscribers."""

    async def check_target(self, target: SubscriptionTarget) -> None:
        """Check that messages may be sent to a target. Raises NotSentError. An unknown host name passes."""

    async def send(self, target: SubscriptionTarget, message_id: str, body: bytes, now: int) -> None:
        """Send one message; `now` in microseconds. Raises NotSentError."""
