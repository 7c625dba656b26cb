"""Delete instances: lock the records and start the task; when the task ends, remove the records."""

from collections.abc import Collection, Sequence

from msgspec import Struct
from msgspec.structs import replace

from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.instances import Instance, InstanceKind, Status
from pileus.domain.compute.task_types import DELETE_BAREMETAL, DELETE_VM, DeleteInstanceArgs
from pileus.domain.context import Context
from pileus.domain.errors import invalid
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.storage.volumes import FAILED_STATUSES, Volume, VolumeStatus
from pileus.domain.tasks import Task
from pileus.services.compute.instances import GetInstance
from pileus.services.network.ddos_profiles import lock_profiles_of_floating_ips, lock_profiles_of_ports
from pileus.services.network.interfaces import is_removed, remove_or_release_port
from pileus.services.storage.volume_attachments import lock_all_snapshots_for_deletion
from pileus.services.tasks import start_task
from pileus.store import resource_revisions, tags
from pileus.store.account import metering
from pileus.store.compute import instance_stamps, instances
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports
from pileus.store.storage import attachments, volumes


class SelectedResourceIds(Struct, frozen=True, kw_only=True):
    """The ids that a query parameter selects, or `all_ids` of the instance's resources of that kind."""

    parameter: str = ""
    ids: Sequence[str] = ()
    all_ids: bool = False

    def check_attached(self, attached: Sequence[str]) -> None:
        """Raise Invalid if an id is not attached to the instance, or if both ids and all are selected."""
        if self.all_ids and self.ids:
            raise invalid(**{self.parameter: "Name some, or ask for all: not both"})
        if unknown := [resource_id for resource_id in self.ids if resource_id not in attached]:
            raise invalid(**{self.parameter: f"Not attached to the instance: {', '.join(unknown)}"})

    def require_selected(self, attached: Sequence[str]) -> list[str]:
        """Return the selected ids of those that are attached. Raises Invalid."""
        self.check_attached(attached)
        return list(attached) if self.all_ids else list(self.ids)


class InstanceDeletionRequest(Struct, frozen=True, kw_only=True):
    """The resources to delete together with an instance; `ports` are those of reserved fixed IPs."""

    volumes: SelectedResourceIds = SelectedResourceIds()
    floating_ips: SelectedResourceIds
    ports: SelectedResourceIds


async def delete_instance(
    tx: Tx,
    ctx: Context,
    instance_id: str,
    request: InstanceDeletionRequest,
    task_id: str,
    *,
    get: GetInstance = instances.get,
) -> Task:
    """Lock the instance and what is deleted with it, and start the task that deletes them.

    Raises NotFound, Conflict or Invalid.
    """
    instance = await get(tx, ctx.place, instance_id)
    await instances.save(tx, instance, instance.locked(task_id, "deleting"))
    volume_ids = await _lock_volumes(tx, ctx, instance_id, request.volumes, task_id)
    assigned = await floating_ips.list_by_instance(tx, instance_id)
    floating_ip_ids = await _lock_floating_ips(tx, assigned, request.floating_ips, task_id)
    instance_ports = await ports.list_by_instance(tx, instance_id)
    port_ids = request.ports.require_selected([port.id for port in instance_ports if port.reserved])
    removed_ports = [port for port in instance_ports if is_removed(port, port_ids)]
    deleted_floating_ips = [floating_ip for floating_ip in assigned if floating_ip.id in floating_ip_ids]
    args = DeleteInstanceArgs(
        instance_id=instance_id,
        volumes=volume_ids,
        floating_ips=floating_ip_ids,
        ports=port_ids,
        profiles=[
            *await lock_profiles_of_ports(tx, removed_ports, task_id),
            *await lock_profiles_of_floating_ips(tx, deleted_floating_ips, task_id),
        ],
    )
    data = {"instance_uuid": instance_id, "instance_id": instance_id, "volumes": volume_ids}
    audit_data = {"volumes": volume_ids, "floating_ips": floating_ip_ids, "ports": port_ids}
    task_type = DELETE_BAREMETAL if instance.kind == InstanceKind.BAREMETAL else DELETE_VM
    entry = AuditEntry("instance", "delete", instance_id, audit_data)
    return await start_task(tx, ctx, task_id, task_type, args, data=data, entry=entry)


async def remove_instance_records(
    tx: Tx,
    instance: Instance,
    now: int,
    *,
    deleted_volume_ids: Collection[str],
    deleted_floating_ip_ids: Collection[str],
    deleted_port_ids: Collection[str],
    kept_floating_ip_ids: Collection[str] = (),
) -> None:
    """Remove an instance and the volumes, floating IPs and reserved ports with these ids; release all others.

    Floating IPs in `kept_floating_ip_ids` stay assigned to their ports.
    Usage is closed, but not that of addresses of an instance that was never built.
    """
    attached = [volume for _, volume in await attachments.list_with_volumes(tx, instance.id)]
    instance_ports = await ports.list_by_instance(tx, instance.id)
    instance_stamps.note_removed(tx, [volume.id for volume in attached], [port.id for port in instance_ports])
    for volume in attached:
        await attachments.remove(tx, volume.id)
    used: list[metering.Billed] = [volume for volume in attached if volume.id in deleted_volume_ids]
    if instance.status != Status.BUILD:
        used += [port for port in instance_ports if is_removed(port, deleted_port_ids)]
        used += await _list_floating_ips(tx, deleted_floating_ip_ids)
    await metering.save_usage_until_now(tx, [*used, instance], now)
    await _remove_volumes(tx, attached, now, deleted_volume_ids)
    for port in instance_ports:
        await remove_or_release_port(
            tx,
            port,
            now,
            deleted_floating_ip_ids=deleted_floating_ip_ids,
            deleted_port_ids=deleted_port_ids,
            kept_floating_ip_ids=kept_floating_ip_ids,
            save_usage=False,
        )
    await tags.remove(tx, instance.id)
    await instances.remove(tx, instance.id)


async def _list_floating_ips(tx: Tx, ids: Collection[str]) -> Sequence[FloatingIP]:
    return await resource_revisions.list_by_id(tx, floating_ips.TABLE, sorted(ids))


async def _remove_volumes(tx: Tx, attached: Sequence[Volume], now: int, volume_ids: Collection[str]) -> None:
    """Remove the detached volumes with these ids, whose usage is saved, and release the others.

    Those in error stay so: a failed deletion may have destroyed their data.
    """
    for volume in attached:
        if volume.id in volume_ids:
            await tags.remove(tx, volume.id)
            await volumes.remove(tx, volume.id)
        else:
            status = VolumeStatus(volume.status) if volume.status in FAILED_STATUSES else VolumeStatus.AVAILABLE
            await volumes.save(tx, volume, volume.unlocked_with_status(status, now))


async def _lock_volumes(
    tx: Tx, ctx: Context, instance_id: str, selected: SelectedResourceIds, task_id: str
) -> list[str]:
    """Lock all volumes of the instance, and the snapshots of those that are deleted; return the ids of the latter."""
    attached = await attachments.list_with_volumes(tx, instance_id)
    selected.check_attached([volume.id for _, volume in attached])
    for _, volume in attached:
        await volumes.save(tx, volume, replace(volume.require_unlocked(), task_id=task_id))
    deleted = [
        volume.id for attachment, volume in attached if volume.id in selected.ids or attachment.delete_on_termination
    ]
    for volume_id in deleted:
        await lock_all_snapshots_for_deletion(tx, ctx, volume_id, task_id)
    return deleted


async def _lock_floating_ips(
    tx: Tx, assigned: Sequence[FloatingIP], selected: SelectedResourceIds, task_id: str
) -> list[str]:
    """Lock all floating IPs of the instance; return the ids of those that are deleted."""
    for floating_ip in assigned:
        await floating_ips.save(tx, floating_ip, floating_ip.locked(task_id))
    return selected.require_selected([floating_ip.id for floating_ip in assigned])
