"""The control endpoint of a simulated cloud: inject faults, limit capacity, change the state of machines.

It exists only with a simulated driver and is not part of the public API. An administrator changes what its own tenant
experiences, an operator what any tenant does.
"""

from typing import Annotated, Literal

from litestar import Router, delete, get, post, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from pileus.api.authorization import ADMINISTER, OPERATE
from pileus.api.client_scope import ClientScope
from pileus.api.context import Ctx
from pileus.api.paging import Id
from pileus.domain.compute.instances import Status
from pileus.domain.errors import invalid, not_found
from pileus.domain.faults import Fault
from pileus.domain.network.ddos_profiles import BlackholePort
from pileus.drivers.protocols.compute import ObservedMachine, SupportsSimulation
from pileus.drivers.protocols.errors import DriverError
from pileus.services import simulation as simulation_service
from pileus.store import faults
from pileus.store.compute import capacities
from pileus.tasks.operations import OPERATIONS
from pileus.tasks.reconciler import update_statuses

MAX_COUNT = 2**31 - 1


class AddFault(Struct, kw_only=True):
    """A fault to inject.

    It applies to a task type (any if absent), at a step (the first if absent), so many times (always if absent).
    """

    kind: Literal["hold", "fail"]
    task_type: str | None = None
    step: str | None = None
    message: str | None = None
    times: Annotated[int, Meta(ge=1, le=MAX_COUNT)] | None = None


class SetMachineState(Struct, kw_only=True):
    """The state to put a machine into."""

    status: str
    vm_state: str | None = None


class SetTimeMode(Struct, kw_only=True):
    """The duration of state changes."""

    mode: Literal["instant", "realistic"]


class SetFlavorCapacity(Struct, kw_only=True):
    """The capacity for a flavor, in instances; null for no limit."""

    servers: Annotated[int, Meta(ge=0, le=MAX_COUNT)] | None


class FlavorCapacityView(Struct, kw_only=True):
    """The capacity for a flavor in a region, in instances of the tenant; `client_id` 0 counts those of all tenants."""

    client_id: int
    region_id: int
    flavor_id: str
    servers: int


class SetInstanceIsolation(Struct, kw_only=True):
    """The isolation of an instance, and its reason."""

    isolated: bool
    reason: str | None = None


class AddBlackhole(Struct, kw_only=True):
    """A DDoS alarm on an address."""

    region_id: Id
    destination_ip: str
    alarm_state: str = "ALARM"


class TaskTypeView(Struct, kw_only=True):
    """A task type and the names of its steps, at which faults can be injected."""

    task_type: str
    steps: list[str]


@get("/operations", opt=ADMINISTER)
async def list_operations() -> list[TaskTypeView]:
    """List the task types with their steps."""
    return [
        TaskTypeView(task_type=name, steps=[step.name for step in operation.steps])
        for name, operation in sorted(OPERATIONS.items())
    ]


@get("/faults", opt=ADMINISTER)
async def list_faults(ctx: Ctx, client_scope: ClientScope) -> list[Fault]:
    """List the faults that are injected into your tasks."""
    async with ctx.db.read() as tx:
        return await faults.list_in_reach(tx, client_scope)


@post("/faults", opt=ADMINISTER, status_code=200)
async def add_fault(ctx: Ctx, client_scope: ClientScope, data: JSONBody[AddFault]) -> Fault:
    """Inject a fault: your tasks wait before a step until the fault is deleted (`hold`), or fail at the step (`fail`).

    Tasks of other tenants are not affected.
    """
    _check_fault_place(data)
    return await ctx.write(
        lambda tx: simulation_service.add_fault(
            tx,
            ctx,
            client_scope,
            data.kind,
            task_type=data.task_type,
            step=data.step,
            message=data.message,
            times=data.times,
        )
    )


def _check_fault_place(fault: AddFault) -> None:
    """Check that there are the task type and the step, so that the fault can apply. Raises Invalid."""
    if fault.task_type is not None and fault.task_type not in OPERATIONS:
        raise invalid(task_type=f"Unknown task type: use one of {', '.join(sorted(OPERATIONS))}")
    operations = [OPERATIONS[fault.task_type]] if fault.task_type else OPERATIONS.values()
    steps = {step.name for operation in operations for step in operation.steps}
    if fault.step is not None and fault.step not in steps:
        raise invalid(step=f"Unknown step: use one of {', '.join(sorted(steps))}")


@delete("/faults/{fault_id:str}", opt=ADMINISTER)
async def delete_fault(ctx: Ctx, client_scope: ClientScope, fault_id: FromPath[str]) -> None:
    """Delete a fault. Tasks that it holds continue."""
    await ctx.write(lambda tx: simulation_service.delete_fault(tx, client_scope, fault_id))
    ctx.app.wake_engine()


@delete("/faults", opt=ADMINISTER)
async def delete_faults(ctx: Ctx, client_scope: ClientScope) -> None:
    """Delete all your faults. Tasks that they hold continue."""
    await ctx.write(lambda tx: faults.remove_all(tx, client_scope))
    ctx.app.wake_engine()


@get("/capacities", opt=ADMINISTER)
async def list_capacities(ctx: Ctx, client_scope: ClientScope) -> list[FlavorCapacityView]:
    """List the flavors whose capacity is limited for you."""
    async with ctx.db.read() as tx:
        return [
            FlavorCapacityView(client_id=client_id, region_id=region_id, flavor_id=flavor_id, servers=servers)
            for client_id, region_id, flavor_id, servers in await capacities.list_limits(tx, client_scope)
        ]


@put("/capacities/{region_id:int}/{flavor_id:str}", opt=ADMINISTER, status_code=204)
async def set_capacity(
    ctx: Ctx, client_scope: ClientScope, flavor_id: FromPath[str], data: JSONBody[SetFlavorCapacity]
) -> None:
    """Limit the capacity for a flavor. Creating an instance beyond the limit is answered with 403.

    The limit counts your instances only. An operator who names the tenant 0 limits the instances of all tenants
    together.
    """
    await ctx.write(lambda tx: simulation_service.set_capacity(tx, ctx, client_scope, flavor_id, data.servers))


@put("/machines/{instance_id:str}", opt=ADMINISTER, status_code=204)
async def set_machine_state(
    ctx: Ctx, client_scope: ClientScope, instance_id: FromPath[str], data: JSONBody[SetMachineState]
) -> None:
    """Put a machine into a state, as if it had failed or changed by itself. Its instance follows at once."""
    async with ctx.db.read() as tx:
        await simulation_service.require_instance_in_reach(tx, client_scope, instance_id)
    if data.status not in set(Status):
        raise invalid(status=f"Input should be one of {', '.join(Status)}")
    driver = ctx.app.driver
    assert isinstance(driver, SupportsSimulation)  # noqa: S101  # the router exists only with such a driver
    try:
        await driver.set_machine_state(instance_id, data.status, data.vm_state)
    except DriverError as error:
        raise not_found("Machine", instance_id) from error
    machine = ObservedMachine(machine_id=instance_id, status=data.status, vm_state=data.vm_state)
    await update_statuses(ctx.db, [machine], ctx.now, set())


@put("/time", opt=OPERATE, status_code=204)
async def set_time(ctx: Ctx, data: JSONBody[SetTimeMode]) -> None:
    """Make state changes take no time (`instant`), or as long as in a real cloud (`realistic`), for all tenants."""
    driver = ctx.app.driver
    assert isinstance(driver, SupportsSimulation)  # noqa: S101  # the router exists only with such a driver
    await driver.set_transition_time(data.mode)


@put("/instances/{instance_id:str}/isolation", opt=ADMINISTER, status_code=204)
async def set_isolation(
    ctx: Ctx, client_scope: ClientScope, instance_id: FromPath[str], data: JSONBody[SetInstanceIsolation]
) -> None:
    """Isolate an instance from its networks, for a reason that its owner sees, or end the isolation."""
    await ctx.write(
        lambda tx: simulation_service.set_instance_isolation(
            tx, client_scope, instance_id, isolated=data.isolated, reason=data.reason
        )
    )


@post("/blackholes", opt=ADMINISTER, status_code=200)
async def add_blackhole(ctx: Ctx, client_scope: ClientScope, data: JSONBody[AddBlackhole]) -> BlackholePort:
    """Raise a DDoS alarm on an address. Your instances with that address return the blackholed port."""
    return await ctx.write(
        lambda tx: simulation_service.add_blackhole(
            tx, ctx, client_scope, data.region_id, data.destination_ip, data.alarm_state
        )
    )


@delete("/blackholes/{blackhole_id:int}", opt=ADMINISTER)
async def end_blackhole(ctx: Ctx, client_scope: ClientScope, blackhole_id: FromPath[int]) -> None:
    """End a DDoS alarm. It is still returned, with the time of its end."""
    await ctx.write(lambda tx: simulation_service.end_blackhole(tx, ctx, client_scope, blackhole_id))


ROUTER = Router(
    "/_pileus",
    route_handlers=[
        list_operations, list_faults, add_fault, delete_fault, delete_faults, list_capacities, set_capacity,
        set_machine_state, set_time, set_isolation, add_blackhole, end_blackhole,
    ],
    tags=["Simulation"],
)  # fmt: skip
