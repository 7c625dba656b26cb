"""The stamps of instances.

A stamp names one state of an instance with all that it shows, also of other tables. So what has been read or encoded
under a stamp stays right for as long as the instance has it. Each transaction that changes something that an instance
shows gives the instance its own stamp.
"""

from collections.abc import Iterable
from typing import Any

from pileus.domain.account.access import ALL_CLIENTS
from pileus.store.account import clients
from pileus.store.database import FOR_USE, Tx

KIND = "instance"
"""The kind of instances in the table of tags."""
ITSELF = ":id"
OF_PROJECT = "SELECT id FROM instances WHERE project_id = :project_id"
OF_PLACEMENT_GROUP = "SELECT id FROM instances WHERE placement_group_id = :id"
WITH_VOLUME = "SELECT instance_id FROM attachments WHERE volume_id = :id"
WITH_PORT = "SELECT instance_id FROM ports WHERE id = :id"
WITH_FLOATING_IP = "SELECT p.instance_id FROM ports p JOIN floating_ips f ON f.port_id = p.id WHERE f.id = :id"
IN_NETWORK = "SELECT instance_id FROM ports WHERE network_id = :id"
IN_SUBNET = "SELECT p.instance_id FROM ports p JOIN addresses a ON a.port_id = p.id WHERE a.subnet_id = :id"
IN_SECURITY_GROUP = (
    "SELECT p.instance_id FROM ports p JOIN port_security_groups m ON m.port_id = p.id WHERE m.security_group_id = :id"
)
PORTS_WITH_ADDRESS = (
    "SELECT port_id FROM addresses WHERE ip = :ip"
    " UNION SELECT port_id FROM floating_ips WHERE floating_ip_address = :ip"
)
WITH_ADDRESS = f"SELECT instance_id FROM ports WHERE region_id = :region_id AND id IN ({PORTS_WITH_ADDRESS})"
"""Queries of the ids of the instances that show a record."""


async def bump(tx: Tx, shown_by: str, **values: Any) -> None:
    """Give the stamp of the transaction to the instances that a query selects.

    Call it in the transaction that changes what they show: after the change, or before a row is removed by which the
    query finds them.
    """
    # A creation calls this for each of its parts. What an instance shows later than at the first call has stamped it.
    query = (shown_by, *map(str, values.values()))
    if query not in tx.stamped:
        tx.stamped.add(query)
        await tx.send(
            f"UPDATE instances SET stamp = :stamp WHERE id IN ({shown_by}) AND stamp <> :stamp",
            stamp=tx.stamp,
            **values,
        )


def note_stamped(tx: Tx, shown_by: str, record_id: str) -> None:
    """Note that the instances that show a record have the stamp of the transaction already."""
    tx.stamped.add((shown_by, record_id))


def note_removed(tx: Tx, volume_ids: Iterable[str], port_ids: Iterable[str]) -> None:
    """Note that the transaction removes the instance with these volumes and ports: nothing shows them any more."""
    for volume_id in volume_ids:
        note_stamped(tx, WITH_VOLUME, volume_id)
    for port_id in port_ids:
        note_stamped(tx, WITH_PORT, port_id)


async def bump_with_address(tx: Tx, client_id: int, region_id: int, ip: str) -> None:
    """Bump the instances that have an address, after a change of its protection; of all tenants for ALL_CLIENTS.

    A profile and an alarm name an address, not a record that others could lock. So this locks all that can give the
    address to another instance meanwhile: the tenant, who needs quota for a new address, floating IPs and ports.
    """
    await (clients.lock_all(tx) if client_id == ALL_CLIENTS else clients.lock(tx, client_id))
    await tx.all(f"SELECT id FROM floating_ips WHERE floating_ip_address = :ip {FOR_USE}", ip=ip)
    await tx.all(f"SELECT id FROM ports WHERE id IN ({PORTS_WITH_ADDRESS}) {FOR_USE}", ip=ip)
    await bump(tx, WITH_ADDRESS, region_id=region_id, ip=ip)
