"""Deleting instances."""

from collections.abc import Collection, Iterable

from litestar import delete
from litestar.params import FromPath, FromQuery
from msgspec import Struct

from pileus.api.auth import WRITE
from pileus.api.call import Call, Here
from pileus.api.wire.tasks import TaskIds
from pileus.domain.errors import invalid
from pileus.domain.instances import Instance, Kind
from pileus.store import attachments, floating_ips, instances, ports
from pileus.store.database import Tx


class Going(Struct, frozen=True, kw_only=True):
    """What is to go with an instance, by id."""

    volumes: list[str]
    floating_ips: list[str]
    ports: list[str]


@delete(
    "/cloud/v1/instances/{project_id:int}/{region_id:int}/{instance_id:str}",
    opt=WRITE,
    status_code=200,
    tags=["Instances"],
)
async def delete_instance(  # noqa: PLR0913, PLR0917  # each is a parameter of the operation
    call: Here,
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
    if delete_floatings and floatings:
        raise invalid(floatings="Give either floatings or delete_floatings, not both")
    task_id = call.cloud.new_id()

    async def write(tx: Tx) -> None:
        before = await instances.get(tx, call.place, instance_id)
        await instances.save(tx, before, before.locked(task_id, "deleting"))
        going = Going(
            volumes=await _volumes(tx, instance_id, _ids(volumes)),
            floating_ips=await _floating_ips(tx, instance_id, _ids(floatings), every=bool(delete_floatings)),
            ports=await _reserved(tx, instance_id, _ids(reserved_fixed_ips)),
        )
        await _begin(tx, call, before, going, task_id)

    await call.db.write(write)
    call.cloud.nudge()
    return TaskIds(tasks=[task_id])


async def _begin(tx: Tx, call: Call, instance: Instance, going: Going, task_id: str) -> None:
    task_type = "delete_bm" if instance.kind == Kind.BAREMETAL else "delete_vm"
    args = {"volumes": going.volumes, "floating_ips": going.floating_ips, "ports": going.ports}
    shown = {"instance_uuid": instance.id, "instance_id": instance.id, "volumes": going.volumes}
    await call.start(tx, task_type, task_id, {"instance_id": instance.id, **args}, data=shown)
    await call.record(tx, "instance", "delete", instance.id, data=args, task_id=task_id)


async def _volumes(tx: Tx, instance_id: str, named: list[str]) -> list[str]:
    attached = {volume.id: attachment for attachment, volume in await attachments.with_volumes(tx, instance_id)}
    _all_of("volumes", named, attached)
    return [each for each, attachment in attached.items() if each in named or attachment.delete_on_termination]


async def _floating_ips(tx: Tx, instance_id: str, named: list[str], *, every: bool) -> list[str]:
    leading = [floating_ip.id for floating_ip in await floating_ips.of_instance(tx, instance_id)]
    _all_of("floatings", named, leading)
    return leading if every else named


async def _reserved(tx: Tx, instance_id: str, named: list[str]) -> list[str]:
    reserved = [port.id for port in await ports.of_instance(tx, instance_id) if port.reserved]
    _all_of("reserved_fixed_ips", named, reserved)
    return named


def _all_of(field: str, named: Iterable[str], there: Collection[str]) -> None:
    if strange := [each for each in named if each not in there]:
        raise invalid(**{field: f"Not attached to the instance: {', '.join(strange)}"})


def _ids(text: str | None) -> list[str]:
    return list(dict.fromkeys(each.strip() for each in (text or "").split(",") if each.strip()))


ROUTES = [delete_instance]
