"""Tickets for consoles: signed tokens that grant access to one machine's screen for a time."""

import hashlib
import hmac
import secrets
from pathlib import Path

from pileus.drivers.shared_files import read_or_create_file

VALID_SECONDS = 600
SECRET_BYTES = 32


class ConsoleTickets:
    """Issues and checks tickets; every process that reads the same secret file accepts them."""

    def __init__(self, file: Path, valid_seconds: int = VALID_SECONDS) -> None:
        self._secret = read_or_create_file(file, secrets.token_bytes(SECRET_BYTES))
        self._valid_seconds = valid_seconds

    def issue(self, machine_id: str, now: float) -> str:
        """Create a ticket for a machine's screen; `now` in seconds."""
        content = f"{machine_id}.{int(now) + self._valid_seconds}"
        return f"{content}.{self._signature(content)}"

    def machine_id_of_ticket(self, ticket: str, now: float) -> str | None:
        """Return the machine that a ticket is for, or None if it is forged or has expired."""
        content, _, signature = ticket.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(content).encode()):
            return None
        machine_id, _, expires = content.rpartition(".")
        return machine_id if now < int(expires) else None

    def _signature(self, content: str) -> str:
        return hmac.new(self._secret, content.encode(), hashlib.sha256).hexdigest()
