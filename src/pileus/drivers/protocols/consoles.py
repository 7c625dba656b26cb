"""Graphical consoles of machines."""

import asyncio
from typing import Protocol, runtime_checkable

from msgspec import Struct

from pileus.drivers.protocols.abilities import AbilityMeta


class ConsoleAddress(Struct, frozen=True, kw_only=True):
    """The address at which a machine's screen can be viewed."""

    url: str
    type: str
    protocol: str


@runtime_checkable
class SupportsConsoles(Protocol, metaclass=AbilityMeta):
    """Opens consoles that a browser can show."""

    async def open_console(self, machine_id: str, console_type: str | None) -> ConsoleAddress:
        """Open a console. Raises DriverError for an unknown type, or if the machine does not run."""


@runtime_checkable
class SupportsScreenStreams(Protocol, metaclass=AbilityMeta):
    """Streams the screens of machines through this server, by RFB (RFC 6143)."""

    async def open_screen_stream(self, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the screen for the token in a console's address.

        Raises DriverError if the token is wrong or has expired, or if the machine does not run.
        """
