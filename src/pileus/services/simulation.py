"""Change a simulated cloud: inject faults, limit capacity, isolate instances, raise DDoS alarms.

`client_id` is the tenant that a change is for; ALL_CLIENTS reaches every tenant.
"""

from pileus.domain.account.access import ALL_CLIENTS
from pileus.domain.compute.instances import Instance
from pileus.domain.context import Context
from pileus.domain.errors import Conflict, not_found
from pileus.domain.faults import Fault
from pileus.domain.load_balancers.members import Member
from pileus.domain.network.ddos_profiles import BlackholePort
from pileus.domain.network.subnets import parse_ip_address
from pileus.store import counters, faults
from pileus.store.account import clients
from pileus.store.compute import capacities, instances
from pileus.store.database import Tx
from pileus.store.load_balancers import members
from pileus.store.network import ddos_profiles

MAX_FAULTS = 100
MAX_BLACKHOLES = 1000
"""The most faults, and alarms, that a tenant can have."""


async def add_fault(
    tx: Tx,
    ctx: Context,
    client_id: int,
    kind: str,
    *,
    task_type: str | None,
    step: str | None,
    message: str | None,
    times: int | None,
) -> Fault:
    """Save a fault for tasks of a type (None: any), at a step (None: the first), so many times (None: always).

    Raises Conflict if the tenant has too many.
    """
    await clients.lock(tx, client_id)
    if await faults.count_of_client(tx, client_id) >= MAX_FAULTS:
        raise Conflict(f"There are {MAX_FAULTS} faults already: delete one first")
    fault = Fault(
        id=ctx.new_id(),
        client_id=client_id,
        kind=kind,
        task_type=task_type,
        step=step,
        message=message,
        times=times,
        created_at=ctx.now(),
    )
    return await faults.add(tx, fault)


async def delete_fault(tx: Tx, client_id: int, fault_id: str) -> None:
    """Delete a fault; the tasks that it holds go on. Raises NotFound."""
    if not await faults.remove(tx, client_id, fault_id):
        raise not_found("Fault", fault_id)


async def delete_faults(tx: Tx, client_id: int) -> None:
    """Delete the faults of a tenant, or of everybody for ALL_CLIENTS; the tasks that they hold go on."""
    await faults.remove_all(tx, client_id)


async def set_capacity(tx: Tx, ctx: Context, client_id: int, flavor_id: str, servers: int | None) -> None:
    """Limit the capacity for a flavor in the region of the request; None removes the limit. Raises NotFound."""
    region = ctx.require_region()
    if ctx.catalogue.flavor(flavor_id) is None:
        raise not_found("Flavor", flavor_id)
    await capacities.set_limit(tx, client_id, region.id, flavor_id, servers)


async def set_instance_isolation(
    tx: Tx, ctx: Context, client_id: int, instance_id: str, *, isolated: bool, reason: str | None
) -> None:
    """Isolate an instance from its networks for a reason that its owner sees, or end the isolation. Raises NotFound."""
    instance = await require_instance_in_reach(tx, client_id, instance_id)
    await instances.save(tx, instance, instance.with_isolation(reason, ctx.now(), isolated=isolated))


async def require_instance_in_reach(tx: Tx, client_id: int, instance_id: str) -> Instance:
    """Return an instance of a tenant, in any project. Raises NotFound."""
    instance = await instances.find(tx, instance_id)
    if instance is None or client_id not in (ALL_CLIENTS, instance.client_id):
        raise not_found("Instance", instance_id)
    return instance


async def set_member_reachability(tx: Tx, ctx: Context, client_id: int, member_id: str, *, reachable: bool) -> None:
    """Begin or end an outage of a member, of which its health monitor takes notice. Raises NotFound or Conflict."""
    member = await members.find(tx, member_id)
    if member is None or client_id not in (ALL_CLIENTS, member.client_id):
        raise not_found(Member.NOUN, member_id)
    await members.save(tx, member, member.require_unlocked().with_reachability(ctx.now(), reachable=reachable))


async def add_blackhole(
    tx: Tx, ctx: Context, client_id: int, region_id: int, destination_ip: str, alarm_state: str
) -> BlackholePort:
    """Save a DDoS alarm on an address. Raises Conflict if the tenant has had too many, and Invalid."""
    address = parse_ip_address("destination_ip", destination_ip)
    await clients.lock(tx, client_id)
    if await ddos_profiles.count_blackholes(tx, client_id) >= MAX_BLACKHOLES:
        raise Conflict(f"There have been {MAX_BLACKHOLES} alarms already")
    port = BlackholePort(
        id=await counters.increment(tx, "blackhole_ports"),
        client_id=client_id,
        region_id=region_id,
        destination_ip=str(address),
        alarm_state=alarm_state,
        started_at=ctx.now(),
    )
    await ddos_profiles.add_blackhole(tx, port)
    return port


async def end_blackhole(tx: Tx, ctx: Context, client_id: int, blackhole_id: int) -> None:
    """End a DDoS alarm; the record stays. Raises NotFound."""
    if not await ddos_profiles.end_blackhole(tx, client_id, blackhole_id, "CLEAR", ctx.now()):
        raise not_found("Blackhole", blackhole_id)
