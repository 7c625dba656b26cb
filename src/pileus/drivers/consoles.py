"""What a driver does with the screens of its machines, if it can show them, and the tickets that let one see them."""

import asyncio
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Protocol, runtime_checkable

VALID = 600
"""Seconds."""
SECRET = 32
"""Bytes."""


@runtime_checkable
class Screens(Protocol):
    """Shows the screens of its machines itself, by RFB (RFC 6143)."""

    async def screen(self, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the screen that a console's address has a token for.

        Raises DriverError where the token is wrong or has run out, or the machine does not run.
        """


class Tickets:
    """Tokens that say which machine's screen may be seen, and until when; who has the secret knows them as its own."""

    def __init__(self, file: Path, valid: int = VALID) -> None:
        self._secret, self._valid = _secret(file), valid

    def issue(self, machine_id: str, now: float) -> str:
        """A token for a machine's screen."""
        said = f"{machine_id}.{int(now) + self._valid}"
        return f"{said}.{self._signed(said)}"

    def machine_of(self, token: str, now: float) -> str | None:
        """The machine that a token is for; None if it is wrong or has run out."""
        said, _, signature = token.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signed(said).encode()):
            return None
        machine_id, _, until = said.rpartition(".")
        return machine_id if now < int(until) else None

    def _signed(self, said: str) -> str:
        return hmac.new(self._secret, said.encode(), hashlib.sha256).hexdigest()


def _secret(file: Path) -> bytes:
    """The secret in a file; whichever process comes first makes it, and the others find it whole."""
    new = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    new.touch(mode=0o600)
    new.write_bytes(secrets.token_bytes(SECRET))
    try:
        file.hardlink_to(new)
    except FileExistsError:
        pass
    finally:
        new.unlink()
    return file.read_bytes()
