"""The setting of the clock: a control."""

from pileus.domain.clocks import ClockSetting
from pileus.store import controls
from pileus.store.database import Tx

NAME = "clock"


async def get_setting(tx: Tx) -> ClockSetting:
    """Return the setting of the clock; without one, the clock shows the time of the system."""
    return await controls.find(tx, NAME, ClockSetting) or ClockSetting()


async def lock_setting(tx: Tx) -> ClockSetting:
    """Return the setting of the clock, which no other transaction changes until this one ends."""
    # Each change of a control renews the stamp: the second one waits for the row.
    await controls.renew_stamp(tx)
    return await get_setting(tx)


async def save_setting(tx: Tx, setting: ClockSetting) -> None:
    """Set the clock, or let it show the time of the system again. Call `lock_setting` before."""
    if setting == ClockSetting():
        await controls.remove(tx, NAME)
    else:
        await controls.save(tx, NAME, setting)
