"""Deleting instances."""

from litestar import delete
from litestar.params import FromPath, FromQuery

from pileus.api.auth import WRITE
from pileus.api.context import Ctx
from pileus.api.wire.tasks import TaskIds
from pileus.services.compute import instance_deletion as deletion_service
from pileus.services.compute.instance_deletion import DeletionRequest, SelectedIds


@delete(
    "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}",
    opt=WRITE,
    status_code=200,
    tags=["Instances"],
)
async def delete_instance(  # each is a parameter of the operation
    ctx: Ctx,
    instance_id: FromPath[str],
    volumes: FromQuery[str | None] = None,
    floatings: FromQuery[str | None] = None,
    delete_floatings: FromQuery[bool | None] = None,
    reserved_fixed_ips: FromQuery[str | None] = None,
) -> TaskIds:
    """Delete an instance.

    With it go the volumes that were made to (`delete_on_termination`) and those named in `volumes`; the floating IPs
    named in `floatings`, or all with `delete_floatings`; and the reserved fixed IPs named, by their ports, in
    `reserved_fixed_ips`. Each takes ids with commas between them. What is not named stays, and is free again.
    """
    every = bool(delete_floatings)
    doomed = DeletionRequest(
        volumes=SelectedIds(parameter="volumes", text=volumes),
        floating_ips=SelectedIds(parameter="floatings", text=floatings, every=every),
        ports=SelectedIds(parameter="reserved_fixed_ips", text=reserved_fixed_ips),
    )
    return await deletion_service.delete_instance(ctx, instance_id, doomed)


ROUTES = [delete_instance]
