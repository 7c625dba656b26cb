"""Ports and their addresses."""

from collections.abc import Sequence

from pileus.domain.network.ports import AssignedAddress, Port
from pileus.domain.places import Place
from pileus.store import scoped
from pileus.store.compute import instance_stamps
from pileus.store.database import FOR_USE, Tx
from pileus.store.rows import Table, in_list_placeholders

TABLE = Table("ports", Port)
find, require = TABLE.find_by_id, TABLE.require_by_id
ADDRESSES = Table("addresses", AssignedAddress, key="ip")


async def add(tx: Tx, port: Port) -> Port:
    """Insert a port."""
    await TABLE.add(tx, port)
    await _bump_stamps(tx, port)
    instance_stamps.note_stamped(tx, instance_stamps.WITH_PORT, port.id)
    return port


async def save(tx: Tx, before: Port, after: Port) -> Port:
    """Write the changed fields; raises Stale."""
    saved = await TABLE.save(tx, before, after)
    if _shown_fields(before) != _shown_fields(after):
        await _bump_stamps(tx, before, after)
    return saved


async def unlock_all(tx: Tx, instance_id: str) -> None:
    """Save all ports of an instance, which the calling task has locked, as unlocked."""
    await tx.send(
        "UPDATE ports SET task_id = NULL, revision = revision + 1 WHERE instance_id = :id AND task_id IS NOT NULL",
        id=instance_id,
    )


async def get(tx: Tx, place: Place, port_id: str) -> Port:
    """Return a port of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Port", place, port_id)


async def get_for_use(tx: Tx, place: Place, port_id: str) -> Port:
    """Return a port of a place like `get`; nobody changes or deletes it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Port", place, port_id, lock=FOR_USE)


async def find_by_mac_address(tx: Tx, mac_address: str) -> Port | None:
    """Return the port with a MAC address, of any tenant, or None."""
    return await TABLE.find_one(tx, "mac_address = :mac_address", mac_address=mac_address)


async def list_by_instance(tx: Tx, instance_id: str) -> list[Port]:
    """Return an instance's ports in order of position."""
    return await TABLE.find(tx, "instance_id = :instance_id ORDER BY position, id", instance_id=instance_id)


async def list_machine_ports_of_load_balancer(tx: Tx, load_balancer_id: str) -> list[Port]:
    """Return the ports of the machines of a load balancer, those of the first machine first."""
    where = "load_balancer_id = :id AND vrrp_role IS NOT NULL ORDER BY vrrp_role DESC, created_at, id"
    return await TABLE.find(tx, where, id=load_balancer_id)


async def list_machine_ports_of_load_balancers(tx: Tx, load_balancer_ids: Sequence[str]) -> list[Port]:
    """Return the ports of the machines of load balancers."""
    marks, values = in_list_placeholders("id", load_balancer_ids)
    return await TABLE.find_many(tx, f"load_balancer_id IN ({marks}) AND vrrp_role IS NOT NULL", **values)


async def list_machine_addresses_of_load_balancer(tx: Tx, load_balancer_id: str) -> list[AssignedAddress]:
    """Return the addresses of the machines of a load balancer, in the order of their ports."""
    of_machines = "SELECT id FROM ports WHERE load_balancer_id = :id AND vrrp_role IS NOT NULL"
    return await ADDRESSES.find(tx, f"port_id IN ({of_machines}) ORDER BY port_id, ip", id=load_balancer_id)


async def list_addresses(tx: Tx, port_id: str) -> list[AssignedAddress]:
    """Return the addresses of a port."""
    return await ADDRESSES.find(tx, "port_id = :port_id ORDER BY ip", port_id=port_id)


async def add_address(tx: Tx, address: AssignedAddress) -> AssignedAddress:
    """Insert an address; raises Stale (by its key) if it is in use."""
    await ADDRESSES.add(tx, address)
    if address.port_id is not None:
        await instance_stamps.bump(tx, instance_stamps.WITH_PORT, id=address.port_id)
    return address


async def remove(tx: Tx, port_id: str) -> None:
    """Delete a port and release its addresses."""
    await instance_stamps.bump(tx, instance_stamps.WITH_PORT, id=port_id)
    await ADDRESSES.remove_all(tx, "port_id = :port_id", port_id=port_id)
    await tx.run("DELETE FROM port_security_groups WHERE port_id = :port_id", port_id=port_id)
    await TABLE.remove(tx, port_id)


async def _bump_stamps(tx: Tx, *states: Port) -> None:
    for instance_id in {port.instance_id for port in states if port.instance_id is not None}:
        await instance_stamps.bump(tx, instance_stamps.ITSELF, id=instance_id)


def _shown_fields(port: Port) -> tuple[str | None, int, str | None]:
    return port.instance_id, port.position, port.interface_name
