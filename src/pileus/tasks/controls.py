"""Keep the controls in memory: what operators set while servers run, such as faults of HTTP.

Whoever obeys a control adds a reader, which copies it from the database into memory. The readers run before the first
request, in the process that changes a control before its answer, and in all others within SETTLE_SECONDS. So no request
reads the database for a control.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pileus.store import controls
from pileus.store.database import Database, T, Tx, Work
from pileus.tasks.periodic import repeat

LOG = logging.getLogger(__name__)
POLL_SECONDS, SETTLE_SECONDS = 0.4, 1.0
"""Seconds between two looks for changes by other processes, and until all of them have seen a change."""
Reader = Callable[[Tx], Awaitable[None]]


@dataclass(slots=True)
class Controls:
    """The controls of this process. `is_shared` says whether other processes may use the database.

    Without `is_obeyed` only constant readers read: where nobody may set a control, those from before do not hold
    either.
    """

    db: Database
    is_shared: bool = False
    is_obeyed: bool = True
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _readers: list[Reader] = field(init=False, default_factory=list)
    _constant_readers: list[Reader] = field(init=False, default_factory=list)
    _stamp: int | None = field(init=False, default=None)
    _lock: asyncio.Lock = field(init=False, default_factory=asyncio.Lock)

    def add_reader(self, reader: Reader, *, constant: bool = False) -> None:
        """Have a function called that reads controls from the database and keeps them; call this before `refresh`.

        `constant`: also where no control is obeyed.
        """
        (self._constant_readers if constant else self._readers).append(reader)

    async def change(self, work: Work[T], *, alone: bool = False) -> T:
        """Run `work`, which changes controls, in one transaction; return when all processes obey what it has set.

        `alone`: while no other transaction runs.
        """

        async def run(tx: Tx) -> T:
            # First, because the row of the stamp stays locked: changes of controls take turns.
            await controls.renew_stamp(tx)
            return await work(tx)

        result = await (self.db.write_alone(run) if alone else self.db.write(run))
        await self.refresh()
        if self.is_shared:
            await self.sleep(SETTLE_SECONDS)
        return result

    async def refresh(self) -> None:
        """Read the controls, if they have changed. An older state never replaces a newer one."""
        async with self._lock:
            async with self.db.read() as tx:
                if await controls.get_stamp(tx) == self._stamp:
                    return
            # From one snapshot, so that the parts of a change are read together.
            async with self.db.scan() as tx:
                stamp = await controls.get_stamp(tx)
                for reader in (*self._constant_readers, *(self._readers if self.is_obeyed else ())):
                    await reader(tx)
            self._stamp = stamp

    async def run(self) -> None:
        """Follow the changes of other processes, until cancelled; failures are logged."""
        if self.is_shared:
            await repeat(self.refresh, POLL_SECONDS, self.sleep, LOG, "Reading the controls failed")
