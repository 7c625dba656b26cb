"""Screens and serial logs of machines: VNC over a socket that only the server can open, for clients with a ticket."""

import asyncio
import time

from pileus.drivers.protocols.consoles import ConsoleAddress
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.arguments import VNC
from pileus.drivers.qemu.log_files import read_serial_log
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.paths import short_socket_path
from pileus.drivers.tickets import ConsoleTickets

CONSOLE_TYPE = "novnc"
ALIASES = frozenset({CONSOLE_TYPE, "vnc"})
"""Names that clients may use for it."""


class ConsoleSockets:
    """Opens the screens of machines, and reads their serial logs."""

    def __init__(self, control: MachineControl, tickets: ConsoleTickets, public_url: str) -> None:
        self._control, self._directory, self._records = control, control.directory, control.records
        self._tickets, self._public_url = tickets, public_url

    def open_console(self, machine_id: str, console_type: str | None) -> ConsoleAddress:
        """Return the address of a page with the screen, valid as long as its ticket. Raises DriverError."""
        if console_type not in {None, *ALIASES}:
            raise DriverError(f"Unknown console type {console_type}: use {CONSOLE_TYPE}", retryable=False)
        if not self._control.children.is_running(self._records.get(machine_id)):
            raise DriverError(f"Machine {machine_id} has no console while it is not running", retryable=True)
        ticket = self._tickets.issue(machine_id, time.time())
        return ConsoleAddress(url=f"{self._public_url}/screens#{ticket}", type=CONSOLE_TYPE, protocol="vnc")

    async def open_screen_stream(self, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the screen that a ticket is for. Raises DriverError."""
        machine_id = self._tickets.machine_id_of_ticket(token, time.time())
        if machine_id is None:
            raise DriverError("The console's address is wrong or has expired", retryable=False)
        try:
            with short_socket_path(self._directory.machine_directory(machine_id) / VNC) as address:
                return await asyncio.open_unix_connection(address)
        except OSError as problem:
            raise DriverError(f"Machine {machine_id} shows no screen: it does not run", retryable=True) from problem

    async def read_serial_log_end(self, machine_id: str, max_bytes: int) -> bytes:
        """Return the last `max_bytes` bytes of a machine's serial output. Raises DriverError if there is no machine."""
        self._records.get(machine_id)
        return await asyncio.to_thread(read_serial_log, self._directory.folder, machine_id, max_bytes)
