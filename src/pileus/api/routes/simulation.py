"""The control endpoint of a simulated cloud: make tasks wait or fail, run out of room, let things happen to machines.

It is there only while the driver can rehearse. It is open to administrators, and not part of the public API.
"""

from typing import Annotated, Literal

from litestar import Router, delete, get, post, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct
from msgspec.structs import replace

from pileus.api.auth import ADMINISTER
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Id
from pileus.api.routes.account import operator_quotas
from pileus.domain.compute.instances import Instance, Status
from pileus.domain.errors import invalid, not_found
from pileus.domain.faults import Fault
from pileus.domain.network.ddos_profiles import BlackholePort
from pileus.drivers.protocols.compute import Simulates
from pileus.drivers.protocols.errors import DriverError
from pileus.store import counters, faults
from pileus.store.compute import capacities, instances
from pileus.store.database import Tx
from pileus.store.network import ddos_profiles
from pileus.tasks.operations import OPERATIONS
from pileus.tasks.reconciler import reconcile

MOST = 2**31 - 1


class NewFault(Struct, kw_only=True):
    """What is to go wrong: a task type (any if absent), a step (the first if absent), how often (always if absent)."""

    kind: Literal["hold", "fail"]
    task_type: str | None = None
    step: str | None = None
    message: str | None = None
    times: Annotated[int, Meta(ge=1, le=MOST)] | None = None


class MachineState(Struct, kw_only=True):
    """The state that a machine is to be found in."""

    status: str
    vm_state: str | None = None


class SimulatedTime(Struct, kw_only=True):
    """How long transitions take."""

    mode: Literal["instant", "realistic"]


class NewCapacity(Struct, kw_only=True):
    """How many servers of a flavor there is room for; null for no end."""

    servers: Annotated[int, Meta(ge=0, le=MOST)] | None


class CapacityView(Struct, kw_only=True):
    """The room for a flavor in a region."""

    region_id: int
    flavor_id: str
    servers: int


class NewIsolation(Struct, kw_only=True):
    """Whether an instance is cut off, and why."""

    isolated: bool
    reason: str | None = None


class NewBlackhole(Struct, kw_only=True):
    """An alarm on an address."""

    region_id: Id
    destination_ip: str
    alarm_state: str = "ALARM"


class OperationView(Struct, kw_only=True):
    """A task type and the names of its steps, where a fault can strike."""

    task_type: str
    steps: list[str]


@get("/operations", opt=ADMINISTER)
async def list_operations() -> list[OperationView]:
    """List the task types with their steps."""
    return [
        OperationView(task_type=name, steps=[step.name for step in operation.steps])
        for name, operation in sorted(OPERATIONS.items())
    ]


@get("/faults", opt=ADMINISTER)
async def list_faults(ctx: Ctx) -> list[Fault]:
    """List what is to go wrong."""
    async with ctx.db.read() as tx:
        return await faults.every(tx)


@post("/faults", opt=ADMINISTER, status_code=200)
async def add_fault(ctx: Ctx, data: JSONBody[NewFault]) -> Fault:
    """Let tasks wait before a step (`hold`) until the fault is deleted, or fail at it (`fail`)."""
    if data.task_type is not None and data.task_type not in OPERATIONS:
        raise invalid(task_type=f"Unknown task type: use one of {', '.join(sorted(OPERATIONS))}")
    fault = Fault(
        id=ctx.new_id(),
        kind=data.kind,
        task_type=data.task_type,
        step=data.step,
        message=data.message,
        times=data.times,
        created_at=ctx.now(),
    )
    return await ctx.db.write(lambda tx: faults.add(tx, fault))


@delete("/faults/{fault_id:str}", opt=ADMINISTER)
async def delete_fault(ctx: Ctx, fault_id: FromPath[str]) -> None:
    """Take a fault back; tasks that it holds go on."""
    if not await ctx.db.write(lambda tx: faults.remove(tx, fault_id)):
        raise not_found("Fault", fault_id)


@delete("/faults", opt=ADMINISTER)
async def delete_faults(ctx: Ctx) -> None:
    """Take every fault back."""
    await ctx.db.write(faults.clear)


@get("/capacities", opt=ADMINISTER)
async def list_capacities(ctx: Ctx) -> list[CapacityView]:
    """List the flavors whose room has an end."""
    async with ctx.db.read() as tx:
        return [
            CapacityView(region_id=region_id, flavor_id=flavor_id, servers=servers)
            for region_id, flavor_id, servers in await capacities.every(tx)
        ]


@put("/capacities/{region_id:int}/{flavor_id:str}", opt=ADMINISTER, status_code=204)
async def set_capacity(
    ctx: Ctx, region_id: FromPath[int], flavor_id: FromPath[str], data: JSONBody[NewCapacity]
) -> None:
    """Say how many servers of a flavor there is room for; one more is then refused with 403."""
    await ctx.db.write(lambda tx: capacities.set_limit(tx, region_id, flavor_id, data.servers))


@put("/machines/{instance_id:str}", opt=ADMINISTER, status_code=204)
async def set_machine_state(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[MachineState]) -> None:
    """Let a machine be found in a state, as if something had happened to it; its instance follows at once."""
    async with ctx.db.read() as tx:
        await _own(tx, ctx, instance_id)
    if data.status not in set(Status):
        raise invalid(status=f"Input should be one of {', '.join(Status)}")
    driver = ctx.app.driver
    assert isinstance(driver, Simulates)  # noqa: S101  # the router is there only then
    try:
        driver.set_state(instance_id, data.status, data.vm_state)
    except DriverError as error:
        raise not_found("Machine", instance_id) from error
    await reconcile(ctx.db, driver, ctx.now)


@put("/time", opt=ADMINISTER, status_code=204)
async def set_time(ctx: Ctx, data: JSONBody[SimulatedTime]) -> None:
    """Let transitions take no time, or as long as a real cloud's."""
    driver = ctx.app.driver
    assert isinstance(driver, Simulates)  # noqa: S101  # the router is there only then
    driver.set_time(data.mode)


@put("/instances/{instance_id:str}/isolation", opt=ADMINISTER, status_code=204)
async def set_isolation(ctx: Ctx, instance_id: FromPath[str], data: JSONBody[NewIsolation]) -> None:
    """Cut an instance off from its networks, with a reason that its owner sees, or let it back."""

    async def write(tx: Tx) -> None:
        before = await _own(tx, ctx, instance_id)
        after = replace(before, isolated=data.isolated, isolation_reason=data.reason if data.isolated else None)
        await instances.save(tx, before, after)

    await ctx.db.write(write)


async def _own(tx: Tx, ctx: RequestContext, instance_id: str) -> Instance:
    """An instance of the caller's, in whichever project."""
    found = await instances.find(tx, instance_id)
    if found is None or found.client_id != ctx.caller.client_id:
        raise not_found("Instance", instance_id)
    return found


@post("/blackholes", opt=ADMINISTER, status_code=200)
async def add_blackhole(ctx: Ctx, data: JSONBody[NewBlackhole]) -> BlackholePort:
    """Raise an alarm on an address: instances that have it show the blackholed port."""

    async def write(tx: Tx) -> BlackholePort:
        port = BlackholePort(
            id=await counters.next_value(tx, "blackhole_ports"),
            region_id=data.region_id,
            destination_ip=data.destination_ip,
            alarm_state=data.alarm_state,
            started_at=ctx.now(),
        )
        await ddos_profiles.add_blackhole(tx, port)
        return port

    return await ctx.db.write(write)


@delete("/blackholes/{blackhole_id:int}", opt=ADMINISTER)
async def end_blackhole(ctx: Ctx, blackhole_id: FromPath[int]) -> None:
    """End an alarm; it stays to be seen, with its end."""
    ended = await ctx.db.write(lambda tx: ddos_profiles.end_blackhole(tx, blackhole_id, "CLEAR", ctx.now()))
    if not ended:
        raise not_found("Blackhole", blackhole_id)


ROUTER = Router(
    "/_pileus",
    route_handlers=[
        list_operations, list_faults, add_fault, delete_fault, delete_faults, list_capacities, set_capacity,
        set_machine_state, set_time, set_isolation, add_blackhole, end_blackhole, *operator_quotas.HANDLERS,
    ],
    tags=["Rehearsal"],
)  # fmt: skip
