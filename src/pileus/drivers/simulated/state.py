"""The state file of the simulated cloud, and the time that changes take."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from pileus.drivers.state_file import StateFile

SCHEMA = """
CREATE TABLE IF NOT EXISTS machines (
    id TEXT PRIMARY KEY, status TEXT NOT NULL, vm_state TEXT, machine TEXT NOT NULL, restarted_for TEXT
);
CREATE TABLE IF NOT EXISTS volumes (
    id TEXT PRIMARY KEY, size INTEGER NOT NULL, type_name TEXT NOT NULL, machine_id TEXT, reverted_for TEXT
);
CREATE TABLE IF NOT EXISTS snapshots (id TEXT PRIMARY KEY, volume_id TEXT NOT NULL, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS images (
    id TEXT PRIMARY KEY, size INTEGER NOT NULL, virtual_size INTEGER NOT NULL, disk_format TEXT NOT NULL, checksum TEXT
);
CREATE TABLE IF NOT EXISTS protections (
    region_id INTEGER NOT NULL, ip_address TEXT NOT NULL, active INTEGER NOT NULL, PRIMARY KEY (region_id, ip_address)
);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
SECONDS = {
    "create": 25.0, "delete": 15.0, "start": 5.0, "stop": 8.0, "suspend": 6.0, "restart": 7.0, "resize": 30.0,
    "migrate": 20.0, "volume": 5.0, "attach": 3.0, "extend": 4.0, "retype": 6.0, "snapshot": 5.0, "revert": 6.0,
    "interface": 2.0, "protect": 4.0, "network": 8.0, "subnet": 8.0, "router": 5.0, "router_interface": 2.0,
    "floating_ip": 5.0, "security_group": 1.0, "image": 20.0,
}  # fmt: skip
"""Seconds that each change takes in realistic time."""


class SimulationState(StateFile):
    """The state file; several processes may share it, and its time too."""

    SCHEMA = SCHEMA

    def __init__(
        self,
        file: Path,
        *,
        realistic: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        # The simulated cloud has to outlive the process, but not the host.
        super().__init__(file, durable=False)
        self._sleep = sleep
        if realistic:
            self.set_transition_time("realistic")
        elif self._db.execute("SELECT 1 FROM settings WHERE name = 'time'").fetchone() is None:
            self.set_transition_time("instant")

    async def _take_time(self, change: str) -> None:
        (mode,) = self._db.execute("SELECT value FROM settings WHERE name = 'time'").fetchone()
        if mode == "realistic":
            await self._sleep(SECONDS[change])

    def set_transition_time(self, mode: str) -> None:
        """Set the duration of transitions: none (`instant`), or as in a real cloud (`realistic`)."""
        self._db.execute("INSERT OR REPLACE INTO settings VALUES ('time', ?)", (mode,))
