"""Change a simulated cloud: inject faults, isolate instances, raise DDoS alarms."""

from msgspec.structs import replace

from pileus.domain.compute.instances import Instance
from pileus.domain.context import Context
from pileus.domain.errors import not_found
from pileus.domain.faults import Fault
from pileus.domain.network.ddos_profiles import BlackholePort
from pileus.store import counters, faults
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles


async def add_fault(
    tx: Tx,
    ctx: Context,
    kind: str,
    *,
    task_type: str | None,
    step: str | None,
    message: str | None,
    times: int | None,
) -> Fault:
    """Save a fault for tasks of a type (None: any), at a step (None: the first), so many times (None: always)."""
    fault = Fault(
        id=ctx.new_id(),
        kind=kind,
        task_type=task_type,
        step=step,
        message=message,
        times=times,
        created_at=ctx.now(),
    )
    return await faults.add(tx, fault)


async def delete_fault(tx: Tx, fault_id: str) -> None:
    """Delete a fault; the tasks that it holds go on. Raises NotFound."""
    if not await faults.remove(tx, fault_id):
        raise not_found("Fault", fault_id)


async def set_instance_isolation(tx: Tx, ctx: Context, instance_id: str, *, isolated: bool, reason: str | None) -> None:
    """Isolate an instance from its networks for a reason that its owner sees, or end the isolation. Raises NotFound."""
    instance = await require_instance_of_tenant(tx, ctx, instance_id)
    changed = replace(instance, isolated=isolated, isolation_reason=reason if isolated else None)
    await instances.save(tx, instance, changed)


async def require_instance_of_tenant(tx: Tx, ctx: Context, instance_id: str) -> Instance:
    """Return an instance of the caller's tenant, in any project. Raises NotFound."""
    instance = await instances.find(tx, instance_id)
    if instance is None or instance.client_id != ctx.caller.client_id:
        raise not_found("Instance", instance_id)
    return instance


async def add_blackhole(tx: Tx, ctx: Context, region_id: int, destination_ip: str, alarm_state: str) -> BlackholePort:
    """Save a DDoS alarm on an address."""
    port = BlackholePort(
        id=await counters.increment(tx, "blackhole_ports"),
        region_id=region_id,
        destination_ip=destination_ip,
        alarm_state=alarm_state,
        started_at=ctx.now(),
    )
    await ddos_profiles.add_blackhole(tx, port)
    return port


async def end_blackhole(tx: Tx, ctx: Context, blackhole_id: int) -> None:
    """End a DDoS alarm; the record stays. Raises NotFound."""
    if not await ddos_profiles.end_blackhole(tx, blackhole_id, "CLEAR", ctx.now()):
        raise not_found("Blackhole", blackhole_id)
