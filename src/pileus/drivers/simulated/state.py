"""The records of the simulated cloud, and the time that changes take."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct

from pileus.domain.simulated_cloud import SimulatedSetting
from pileus.drivers.protocols.config import read_system_time
from pileus.drivers.protocols.records import Records, RecordStore

SECONDS = {
    "create": 25.0, "delete": 15.0, "start": 5.0, "stop": 8.0, "suspend": 6.0, "restart": 7.0, "resize": 30.0,
    "migrate": 20.0, "volume": 5.0, "attach": 3.0, "extend": 4.0, "retype": 6.0, "snapshot": 5.0, "revert": 6.0,
    "interface": 2.0, "protect": 4.0, "network": 8.0, "subnet": 8.0, "router": 5.0, "router_interface": 2.0,
    "floating_ip": 5.0, "security_group": 1.0, "image": 20.0, "load_balancer": 15.0, "file_share": 75.0,
}  # fmt: skip
"""Seconds that each change takes in realistic time."""
TIME, REALISTIC = "time", "realistic"
Plan = Callable[[Records], Awaitable[str | None]]
"""Returns the change that is to be made, a key of SECONDS, or None if there is none. Raises DriverError."""
Apply = Callable[[Records], Awaitable[object]]


class SimulationState:
    """Makes changes in one transaction each; all servers of the database share the records, and the time too."""

    def __init__(
        self,
        record_store: RecordStore,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], int] = read_system_time,
    ) -> None:
        self._record_store = record_store
        self._sleep, self._now = sleep, now

    async def set_transition_time(self, mode: str) -> None:
        """Set the duration of transitions: none (`instant`), or as in a real cloud (`realistic`)."""
        await self._record_store.write(lambda records: records.save(SimulatedSetting(name=TIME, value=mode)))

    async def _change(self, plan: Plan, apply: Apply, *, new: Struct | None = None) -> None:
        """Make the planned change: at once, or after the time that it takes if it is still planned then.

        `new` is the record that the change usually adds: if it takes no time, nothing is looked up before.
        """

        async def change_at_once(records: Records) -> str | None:
            if new is not None and not await _takes_time(records) and await records.save(new, replaces=False):
                return None
            change = await plan(records)
            if change is not None and await _takes_time(records):
                return change
            if change is not None:
                await apply(records)
            return None

        async def change_late(records: Records) -> None:
            if await plan(records) is not None:
                await apply(records)

        if (change := await self._record_store.write(change_at_once)) is not None:
            # No transaction is open meanwhile.
            await self._sleep(SECONDS[change])
            await self._record_store.write(change_late)


async def _takes_time(records: Records) -> bool:
    # Unlike `find`, this locks no record: all changes read this one.
    return any(setting.value == REALISTIC for setting in await records.find_all(SimulatedSetting, name=TIME))
