"""What all parts of the simulated cloud stand on: the file that it exists in, and its time."""

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
    "create": 15.0, "delete": 15.0, "start": 5.0, "stop": 8.0, "suspend": 6.0, "restart": 7.0, "resize": 20.0,
    "migrate": 12.0, "volume": 5.0, "attach": 3.0, "extend": 4.0, "retype": 6.0, "snapshot": 5.0, "revert": 6.0,
    "plug": 2.0, "protect": 4.0, "network": 4.0, "subnet": 4.0, "router": 3.0, "join": 2.0, "lead": 2.0,
    "security_group": 1.0, "image": 20.0,
}  # fmt: skip
"""How long things take in realistic time."""
IS_SET = "SELECT 1 FROM settings WHERE name = 'time'"


class SimulationState(StateFile):
    """A file of things, and how long it takes to change them."""

    SCHEMA = SCHEMA

    def __init__(
        self,
        file: Path,
        *,
        realistic: bool = False,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        # Its promise is to outlive the process, not the host.
        super().__init__(file, durable=False)
        self._sleep = sleep
        if realistic:
            self.set_time("realistic")
        elif self._db.execute(IS_SET).fetchone() is None:
            self.set_time("instant")

    async def _take(self, what: str) -> None:
        (mode,) = self._db.execute("SELECT value FROM settings WHERE name = 'time'").fetchone()
        if mode == "realistic":
            await self._sleep(SECONDS[what])

    def set_time(self, mode: str) -> None:
        """Let transitions take no time (`instant`), or as long as a real cloud's (`realistic`)."""
        self._db.execute("INSERT OR REPLACE INTO settings VALUES ('time', ?)", (mode,))
