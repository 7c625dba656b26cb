"""QEMU: real machines on the host that the server runs on, without a daemon and without root's rights.

Each machine is a process of its own, which the server's end does not end: another finds it again by its sockets. What
is known of them is in a file, `facts.db`, that all processes of the server share.
"""

import asyncio
from pathlib import Path

from pileus.domain.catalogue import Catalogue
from pileus.drivers.consoles import Tickets
from pileus.drivers.protocols.compute import DriverConfig, Fetching, Hosting
from pileus.drivers.qemu.consoles import Consoles
from pileus.drivers.qemu.paths import DataDirectory
from pileus.drivers.qemu.programs import Programs, find_programs
from pileus.drivers.qemu.supervisor import Supervisor

PATIENCE = 30.0


class Qemu(Supervisor, Consoles):
    """The driver: all that one host can do; servers have no disks of their own, and nobody keeps attacks away."""

    def __init__(  # noqa: PLR0913  # what an operator can choose, each by its name
        self,
        data: Path,
        programs: Programs,
        catalogue: Catalogue,
        *,
        hosting: Hosting | None = None,
        fetching: Fetching | None = None,
        public_url: str = "http://127.0.0.1:8080",
        patience: float = PATIENCE,
    ) -> None:
        hosting = hosting or Hosting()
        super().__init__(DataDirectory(data, hosting.user), programs, hosting)
        self.catalogue, self.offered = catalogue, data / "images"
        self.fetching = fetching or Fetching()
        self.public_url, self.patience = public_url, patience
        self.tickets = Tickets(self.home.folder / "tickets.key")
        self.readings = {}
        self.telling = asyncio.Lock()

    @classmethod
    def create(cls, setup: DriverConfig) -> "Qemu":
        """Make it in the data directory; raises OSError if QEMU is not there or too old, or a network is unknown."""
        offered = {network.name for network in setup.catalogue.networks}
        if unknown := sorted(setup.hosting.bridges.keys() - offered):
            has = ", ".join(sorted(offered))
            raise OSError(f"--qemu-bridges: the catalogue has no network {', '.join(unknown)}; it has {has}")
        return cls(
            setup.data,
            find_programs(setup.hosting.accelerator),
            setup.catalogue,
            hosting=setup.hosting,
            fetching=setup.fetching,
            public_url=setup.public_url,
        )

    async def check(self) -> str:
        """Look whether machines can talk to each other."""
        await self.report()
        return str(self.programs)
