"""What takes messages to subscribers."""

from typing import Protocol

from pileus.domain.account.subscriptions import Target


class NotSentError(Exception):
    """A message has not arrived; `refused` if another try will not help."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused


class Notifier(Protocol):
    """A way to subscribers."""

    async def check(self, target: Target) -> None:
        """Return if messages may be sent there, as far as can be told now; raises NotSentError."""

    async def send(self, target: Target, message_id: str, body: bytes, now: int) -> None:
        """Send one message, within seconds; raises NotSentError."""
