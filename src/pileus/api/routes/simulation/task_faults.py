"""Faults of tasks: an administrator injects those of its own tenant, an operator those of any."""

from collections.abc import Collection
from typing import Annotated, Literal

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from pileus.api.authorization import ADMINISTER
from pileus.api.client_scope import ClientScope
from pileus.api.context import Ctx
from pileus.api.task_operations import describe_missing_task_type
from pileus.domain.errors import invalid
from pileus.domain.faults import MAX_COUNT, Fault
from pileus.domain.suggestions import describe_known_names
from pileus.services import simulation as simulation_service
from pileus.store import faults
from pileus.tasks.operations import OPERATIONS


class AddFault(Struct, kw_only=True):
    """A fault to inject.

    It applies to a task type (any if absent), at a step (the first if absent), so many times (always if absent).
    """

    kind: Literal["hold", "fail"]
    task_type: str | None = None
    step: str | None = None
    message: str | None = None
    times: Annotated[int, Meta(ge=1, le=MAX_COUNT)] | None = None


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


OPERATION_LIST = "GET /_pileus/operations"


@post("/faults", opt=ADMINISTER, status_code=200)
async def add_fault(ctx: Ctx, client_scope: ClientScope, data: JSONBody[AddFault]) -> Fault:
    """Inject a fault: your tasks wait before a step until the fault is deleted (`hold`), or fail at the step (`fail`).

    Tasks of other tenants are not affected.
    """
    _check_fault_place(data, ctx.app.operations.public_ids)
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


def _check_fault_place(fault: AddFault, operation_ids: Collection[str]) -> None:
    """Check that there are the task type and the step, so that the fault can apply. Raises Invalid."""
    if fault.task_type is not None and fault.task_type not in OPERATIONS:
        raise invalid(task_type=describe_missing_task_type(fault.task_type, OPERATIONS, operation_ids, OPERATION_LIST))
    operations = [OPERATIONS[fault.task_type]] if fault.task_type else OPERATIONS.values()
    steps = {step.name for operation in operations for step in operation.steps}
    if fault.step is not None and fault.step not in steps:
        raise invalid(step=f"There is no step {fault.step}{describe_known_names(fault.step, steps, OPERATION_LIST)}")


@delete("/faults/{fault_id:str}", opt=ADMINISTER)
async def delete_fault(ctx: Ctx, client_scope: ClientScope, fault_id: FromPath[str]) -> None:
    """Delete a fault. Tasks that it holds continue."""
    await ctx.write(lambda tx: simulation_service.delete_fault(tx, client_scope, fault_id))
    ctx.app.wake_engine()


@delete("/faults", opt=ADMINISTER)
async def delete_faults(ctx: Ctx, client_scope: ClientScope) -> None:
    """Delete all your faults. Tasks that they hold continue."""
    await ctx.write(lambda tx: simulation_service.delete_faults(tx, client_scope))
    ctx.app.wake_engine()


ROUTES = [list_operations, list_faults, add_fault, delete_fault, delete_faults]
