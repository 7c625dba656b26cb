"""The screens of machines: VNC over a socket that only we can reach, shown to who has a ticket for it."""

import asyncio
import time

from pileus.drivers.consoles import Tickets
from pileus.drivers.protocols.compute import Console, DriverError
from pileus.drivers.qemu.arguments import SERIAL, VNC
from pileus.drivers.qemu.host import Host
from pileus.drivers.qemu.paths import open_untrusted, short_socket_path

KIND = "novnc"
SAME = frozenset({KIND, "vnc"})
"""What a console may be called: older clients say which protocol they want."""


class Consoles(Host):
    """The part that shows them: Consoles, Screens and SerialLogs."""

    public_url: str
    tickets: Tickets

    async def console(self, machine_id: str, console_type: str | None) -> Console:
        """A page's address, good for as long as its ticket."""
        if console_type not in {None, *SAME}:
            raise DriverError(f"Unknown console type {console_type}: use {KIND}", retryable=False)
        if not self.is_running(machine_id, self.existing(machine_id)):
            raise DriverError(f"Machine {machine_id} has no console while it is not running", retryable=True)
        ticket = self.tickets.issue(machine_id, time.time())
        return Console(url=f"{self.public_url}/screens#{ticket}", type=KIND, protocol="vnc")

    async def screen(self, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the screen that a ticket is for; raises DriverError."""
        machine_id = self.tickets.machine_of(token, time.time())
        if machine_id is None:
            raise DriverError("The console's address is wrong or has run out", retryable=False)
        try:
            with short_socket_path(self.home.machine(machine_id) / VNC) as address:
                return await asyncio.open_unix_connection(address)
        except OSError as problem:
            raise DriverError(f"Machine {machine_id} shows no screen: it does not run", retryable=True) from problem

    async def serial_log(self, machine_id: str, most: int) -> bytes:
        """The end of what a machine said on its serial line."""
        self.existing(machine_id)
        return await asyncio.to_thread(self._end_of_log, machine_id, most)

    def _end_of_log(self, machine_id: str, most: int) -> bytes:
        try:
            with open_untrusted(self.home.machine(machine_id) / SERIAL, "rb") as log:
                log.seek(0, 2)
                log.seek(max(log.tell() - most, 0))
                return log.read(most)
        except OSError:
            return b""
