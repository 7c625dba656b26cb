"""DDoS profiles and blackholed addresses."""

from collections.abc import Sequence
from typing import Any

from pileus.domain.network.ddos_profiles import BlackholePort, DdosProfile
from pileus.domain.places import Place
from pileus.store import scoped
from pileus.store.compute import instance_stamps
from pileus.store.database import Tx
from pileus.store.network import networks
from pileus.store.rows import Table, in_list_placeholders
from pileus.store.scoped import IN_PLACE, in_reach_condition, place_parameters

TABLE = Table("ddos_profiles", DdosProfile)
find, require = TABLE.find_by_id, TABLE.require_by_id
BLACKHOLES = Table("blackhole_ports", BlackholePort)
SUBNETS = f"SELECT s.id FROM subnets s JOIN networks n ON n.id = s.network_id WHERE {networks.VISIBLE_AS_N}"
"""The subnets of the networks that a place may use."""


async def list_by_ids(tx: Tx, ids: Sequence[int]) -> dict[int, DdosProfile]:
    """Return profiles by id."""
    marks, values = in_list_placeholders("id", ids)
    return {profile.id: profile for profile in await TABLE.find(tx, f"id IN ({marks})", **values)}


async def add(tx: Tx, profile: DdosProfile) -> None:
    """Insert a profile."""
    await TABLE.add(tx, profile)
    await _bump_stamps(tx, profile)


async def save(tx: Tx, before: DdosProfile, after: DdosProfile) -> DdosProfile:
    """Write the changed fields; raises Stale."""
    saved = await TABLE.save(tx, before, after)
    if before != after:
        await _bump_stamps(tx, before, after)
    return saved


async def remove(tx: Tx, profile_id: int) -> None:
    """Delete a profile; does nothing if it does not exist."""
    if profile := await find(tx, profile_id):
        await TABLE.remove(tx, profile_id)
        await _bump_stamps(tx, profile)


async def list_by_instance(tx: Tx, instance_id: str) -> list[DdosProfile]:
    """Return the profiles of an instance's addresses, its floating IPs included."""
    return await TABLE.find(
        tx,
        """
        id IN (
            SELECT d.id FROM ports p
            LEFT JOIN addresses a ON a.port_id = p.id
            LEFT JOIN floating_ips f ON f.port_id = p.id
            JOIN ddos_profiles d ON d.client_id = p.client_id AND d.region_id = p.region_id
                AND d.ip_address IN (a.ip, f.floating_ip_address)
            WHERE p.instance_id = :id
        ) ORDER BY id
        """,
        id=instance_id,
    )


async def add_blackhole(tx: Tx, port: BlackholePort) -> None:
    """Insert an alarm."""
    await BLACKHOLES.add(tx, port)
    await instance_stamps.bump_with_address(tx, port.client_id, port.region_id, port.destination_ip)


async def count_blackholes(tx: Tx, client_id: int) -> int:
    """Count the alarms of a tenant, ended ones included."""
    row = await tx.one("SELECT count(*) FROM blackhole_ports WHERE client_id = :client_id", client_id=client_id)
    return int(row[0]) if row else 0


async def end_blackhole(tx: Tx, client_id: int, blackhole_id: int, alarm_state: str, now: int) -> bool:
    """End an alarm of a tenant, or of anybody for ALL_CLIENTS; False if it does not exist."""
    in_reach = f"id = :id AND {in_reach_condition(client_id)}"
    port = await BLACKHOLES.find_one(tx, in_reach, id=blackhole_id, client_id=client_id)
    if port is None:
        return False
    await tx.run(
        "UPDATE blackhole_ports SET alarm_state = :alarm_state, ended_at = :now WHERE id = :id",
        id=blackhole_id,
        alarm_state=alarm_state,
        # The clock may have been set back since.
        now=max(now, port.started_at),
    )
    await instance_stamps.bump_with_address(tx, port.client_id, port.region_id, port.destination_ip)
    return True


async def bump_stamps_of_alarms(tx: Tx, condition: str, **values: Any) -> None:
    """Bump the stamps of the instances that show alarms which are about to be deleted."""
    for port in await BLACKHOLES.find(tx, condition, **values):
        await instance_stamps.bump_with_address(tx, port.client_id, port.region_id, port.destination_ip)


async def get(tx: Tx, place: Place, profile_id: int) -> DdosProfile:
    """Return a profile of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "DDoS profile", place, profile_id)


async def list_all(tx: Tx, place: Place) -> list[DdosProfile]:
    """Return all profiles of a place."""
    return await TABLE.find(tx, f"{IN_PLACE} ORDER BY id", **place_parameters(place))


async def find_by_address(tx: Tx, region_id: int, ip_address: str) -> DdosProfile | None:
    """Return the profile of an address, or None."""
    return await TABLE.find_one(tx, "region_id = :region_id AND ip_address = :ip", region_id=region_id, ip=ip_address)


async def find_address_owner(tx: Tx, place: Place, ip_address: str) -> tuple[str | None, str | None] | None:
    """Return the id of the port, or else that of the floating IP, of a place that has an address, or None."""
    row = await tx.one(
        f"""
        SELECT p.id, NULL FROM addresses a JOIN ports p ON p.id = a.port_id
        WHERE a.ip = :ip AND a.subnet_id IN ({SUBNETS})
            AND p.client_id = :client_id AND p.project_id = :project_id AND p.region_id = :region_id
        UNION ALL
        SELECT NULL, f.id FROM floating_ips f
        WHERE f.floating_ip_address = :ip AND f.client_id = :client_id AND f.project_id = :project_id
            AND f.region_id = :region_id
        """,
        ip=ip_address,
        **place_parameters(place),
    )
    return None if row is None else (row[0], row[1])


async def _bump_stamps(tx: Tx, *states: DdosProfile) -> None:
    for ip in {profile.ip_address for profile in states}:
        await instance_stamps.bump_with_address(tx, states[0].client_id, states[0].region_id, ip)
