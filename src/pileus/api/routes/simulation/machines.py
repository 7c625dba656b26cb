"""The states of simulated machines, the isolation of their instances, and the duration of state changes."""

from typing import Literal

from litestar import put
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from pileus.api.authorization import ADMINISTER, OPERATE
from pileus.api.client_scope import ClientScope
from pileus.api.context import Ctx
from pileus.api.simulated_regions import require_simulated_region
from pileus.domain.compute.instances import Status
from pileus.domain.errors import invalid, not_found
from pileus.domain.suggestions import describe_similar_names
from pileus.drivers.protocols.compute import ObservedMachine, SupportsSimulation
from pileus.drivers.protocols.errors import DriverError
from pileus.services import simulation as simulation_service
from pileus.tasks.reconciler import update_statuses


class SetMachineState(Struct, kw_only=True):
    """The state to put a machine into."""

    status: str
    vm_state: str | None = None


class SetTimeMode(Struct, kw_only=True):
    """The duration of state changes."""

    mode: Literal["instant", "realistic"]


class SetInstanceIsolation(Struct, kw_only=True):
    """The isolation of an instance, and its reason."""

    isolated: bool
    reason: str | None = None


@put("/machines/{instance_id:str}", opt=ADMINISTER, status_code=204)
async def set_machine_state(
    ctx: Ctx, client_scope: ClientScope, instance_id: FromPath[str], data: JSONBody[SetMachineState]
) -> None:
    """Put a machine into a state, as if it had failed or changed by itself. Its instance follows at once."""
    async with ctx.db.read() as tx:
        instance = await simulation_service.require_instance_in_reach(tx, client_scope, instance_id)
    driver = require_simulated_region(ctx, instance.region_id)
    if data.status not in set(Status):
        hint = describe_similar_names(data.status, Status) or f": use one of {', '.join(Status)}"
        raise invalid(status=f"There is no status {data.status}{hint}")
    try:
        await driver.set_machine_state(instance_id, data.status, data.vm_state)
    except DriverError as error:
        raise not_found("Machine", instance_id) from error
    machine = ObservedMachine(machine_id=instance_id, status=data.status, vm_state=data.vm_state)
    await update_statuses(ctx.db, [machine], ctx.now, [instance.region_id], set())


@put("/time", opt=OPERATE, status_code=204)
async def set_time(ctx: Ctx, data: JSONBody[SetTimeMode]) -> None:
    """Make state changes take no time (`instant`), or as long as in a real cloud (`realistic`), for all tenants."""
    for entry in ctx.app.drivers.running:
        if isinstance(entry.driver, SupportsSimulation):
            await entry.driver.set_transition_time(data.mode)


@put("/instances/{instance_id:str}/isolation", opt=ADMINISTER, status_code=204)
async def set_isolation(
    ctx: Ctx, client_scope: ClientScope, instance_id: FromPath[str], data: JSONBody[SetInstanceIsolation]
) -> None:
    """Isolate an instance from its networks, for a reason that its owner sees, or end the isolation."""
    async with ctx.db.read() as tx:
        instance = await simulation_service.require_instance_in_reach(tx, client_scope, instance_id)
    require_simulated_region(ctx, instance.region_id)
    await ctx.write(
        lambda tx: simulation_service.set_instance_isolation(
            tx, ctx, client_scope, instance_id, isolated=data.isolated, reason=data.reason
        )
    )


ROUTES = [set_machine_state, set_time, set_isolation]
