"""Deleting instances."""

from collections.abc import Collection, Iterable

from litestar import delete
from litestar.params import FromPath, FromQuery
from msgspec import Struct
from msgspec.structs import replace

from pileus.api.auth import WRITE
from pileus.api.call import Call, Here
from pileus.api.hanging import doom_snapshots
from pileus.api.protecting import held_of_floating_ips, held_of_ports
from pileus.api.wire.tasks import TaskIds
from pileus.domain.errors import invalid
from pileus.domain.instances import Instance, Kind
from pileus.store import attachments, floating_ips, instances, ports, volumes
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
    named = Going(volumes=_ids(volumes), floating_ips=_ids(floatings), ports=_ids(reserved_fixed_ips))
    return await _delete(call, instance_id, named, every_floating_ip=bool(delete_floatings))


async def _delete(call: Call, instance_id: str, named: Going, *, every_floating_ip: bool) -> TaskIds:
    task_id = call.cloud.new_id()

    async def write(tx: Tx) -> None:
        before = await instances.get(tx, call.place, instance_id)
        await instances.save(tx, before, before.locked(task_id, "deleting"))
        going = Going(
            volumes=await _volumes(tx, call, instance_id, named.volumes, task_id),
            floating_ips=await _floating_ips(tx, instance_id, named.floating_ips, task_id, every=every_floating_ip),
            ports=await _reserved(tx, instance_id, named.ports),
        )
        await _begin(tx, call, before, going, await _profiles(tx, instance_id, going, task_id), task_id)

    await call.db.write(write)
    call.cloud.nudge()
    return TaskIds(tasks=[task_id])


async def _profiles(tx: Tx, instance_id: str, going: Going, task_id: str) -> list[int]:
    """The protection of the addresses that are freed, held by the task."""
    freed = [port for port in await ports.of_instance(tx, instance_id) if not port.reserved or port.id in going.ports]
    leading = [each for each in await floating_ips.of_instance(tx, instance_id) if each.id in going.floating_ips]
    return [*await held_of_ports(tx, freed, task_id), *await held_of_floating_ips(tx, leading, task_id)]


async def _begin(  # noqa: PLR0913, PLR0917  # each is a fact of its own
    tx: Tx, call: Call, instance: Instance, going: Going, profiles: list[int], task_id: str
) -> None:
    task_type = "delete_bm" if instance.kind == Kind.BAREMETAL else "delete_vm"
    args = {"volumes": going.volumes, "floating_ips": going.floating_ips, "ports": going.ports}
    shown = {"instance_uuid": instance.id, "instance_id": instance.id, "volumes": going.volumes}
    await call.start(tx, task_type, task_id, {"instance_id": instance.id, **args, "profiles": profiles}, data=shown)
    await call.record(tx, "instance", "delete", instance.id, data=args, task_id=task_id)


async def _volumes(tx: Tx, call: Call, instance_id: str, named: list[str], task_id: str) -> list[str]:
    """Those that go, with their snapshots; the task holds them all, so that nobody else works on them meanwhile."""
    hanging = await attachments.with_volumes(tx, instance_id)
    _all_of("volumes", named, [volume.id for _, volume in hanging])
    for _, volume in hanging:
        await volumes.save(tx, volume, replace(volume.unlocked(), task_id=task_id))
    lost = [volume.id for attachment, volume in hanging if volume.id in named or attachment.delete_on_termination]
    for volume_id in lost:
        await doom_snapshots(tx, call, volume_id, [], task_id)
    return lost


async def _floating_ips(tx: Tx, instance_id: str, named: list[str], task_id: str, *, every: bool) -> list[str]:
    found = await floating_ips.of_instance(tx, instance_id)
    for floating_ip in found:
        await floating_ips.save(tx, floating_ip, floating_ip.locked(task_id))
    leading = [floating_ip.id for floating_ip in found]
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
