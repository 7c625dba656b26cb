"""Resets of the simulated cloud."""

from typing import Annotated

from litestar import post
from litestar.params import QueryParameter

from pileus.api.authorization import CONTROL
from pileus.api.context import Ctx
from pileus.api.paging import LARGEST
from pileus.domain.errors import Forbidden
from pileus.drivers.protocols.records import SupportsFirstRecords
from pileus.services import resets as reset_service

TenantToReset = Annotated[
    int | None, QueryParameter(ge=1, le=LARGEST, description="Reset this tenant only. Its users and keys stay.")
]
ProjectToReset = Annotated[
    int | None, QueryParameter(ge=1, le=LARGEST, description="Reset this project only. The project itself stays.")
]


@post("/reset", opt=CONTROL, status_code=204)
async def reset_cloud(ctx: Ctx, client_id: TenantToReset = None, project_id: ProjectToReset = None) -> None:
    """Reset the simulated cloud: it is again as it was after its first start.

    Tenants, projects, users and keys that were made since are gone, with all resources, simulated machines, tasks,
    faults, usage and the audit log, and ids are given out from the beginning. The catalogue stays, and so do the
    operator's first key and the key of this request. Tasks that run are stopped. A request that is under way is
    answered with 503 if it would change anything. Where several server processes use the database, the answer comes
    after a second, when none of them accepts a former key any more.

    With `client_id` or `project_id`, only a tenant or a project is reset, as it was after its creation, and nothing of
    others changes. A tenant keeps its users, keys and first project.
    """
    check_drivers(ctx)
    if project_id is not None:
        await ctx.write(lambda tx: reset_service.reset_project(tx, project_id, client_id))
    elif client_id is not None:
        await ctx.write(lambda tx: reset_service.reset_tenant(tx, client_id))
    else:
        await ctx.app.resets.reset(ctx.caller)


def check_drivers(ctx: Ctx) -> None:
    """Check that all that the drivers simulate is in the database. Raises Forbidden."""
    if not ctx.app.drivers.all_have(SupportsFirstRecords):
        raise Forbidden("A driver of this server keeps its machines elsewhere, so the cloud cannot be reset")


ROUTES = [reset_cloud]
