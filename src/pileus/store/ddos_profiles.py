"""DDoS profiles and blackholed ports; both are found by address."""

from collections.abc import Sequence

from pileus.domain.ddos_profiles import BlackholePort, DdosProfile
from pileus.store.database import Tx
from pileus.store.rows import Table, listed

TABLE = Table("ddos_profiles", DdosProfile)
BLACKHOLES = Table("blackhole_ports", BlackholePort)


async def of_ids(tx: Tx, ids: Sequence[int]) -> dict[int, DdosProfile]:
    """Profiles by id."""
    marks, values = listed("id", ids)
    return {profile.id: profile for profile in await TABLE.find(tx, f"id IN ({marks})", **values)}


async def add(tx: Tx, profile: DdosProfile) -> None:
    """Insert a profile."""
    await TABLE.add(tx, profile)


async def add_blackhole(tx: Tx, port: BlackholePort) -> None:
    """Insert an alarm."""
    await BLACKHOLES.add(tx, port)


async def end_blackhole(tx: Tx, blackhole_id: int, alarm_state: str, now: int) -> bool:
    """End an alarm; whether there was one."""
    return bool(
        await tx.run(
            "UPDATE blackhole_ports SET alarm_state = :alarm_state, ended_at = :now WHERE id = :id",
            id=blackhole_id,
            alarm_state=alarm_state,
            now=now,
        )
    )
