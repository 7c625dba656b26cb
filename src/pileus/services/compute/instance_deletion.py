"""Deleting an instance with what is to go with it: all that one transaction writes before the task."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from pileus.api.context import RequestContext
from pileus.api.wire.tasks import TaskIds
from pileus.domain.compute.instances import Instance, Kind
from pileus.domain.errors import invalid
from pileus.domain.places import Place
from pileus.services.network.ddos_profiles import lock_profiles_of_floating_ips, lock_profiles_of_ports
from pileus.services.storage.volume_attachments import lock_snapshots_for_deletion
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import floating_ips, ports
from pileus.store.storage import attachments, volumes


class SelectedIds(Struct, frozen=True, kw_only=True):
    """Things of one kind that a parameter names, with commas between their ids; or `every` one."""

    parameter: str = ""
    text: str | None = None
    every: bool = False

    @property
    def ids(self) -> list[str]:
        """The ids, each once."""
        return list(dict.fromkeys(each.strip() for each in (self.text or "").split(",") if each.strip()))

    def check(self, there: Sequence[str]) -> None:
        """Return if all that is named is there, and said in one way; raises Invalid."""
        if self.every and self.ids:
            raise invalid(**{self.parameter: "Name some, or ask for all: not both"})
        if strange := [each for each in self.ids if each not in there]:
            raise invalid(**{self.parameter: f"Not attached to the instance: {', '.join(strange)}"})

    def of(self, there: Sequence[str]) -> list[str]:
        """Which of those that are there go; raises Invalid."""
        self.check(there)
        return list(there) if self.every else self.ids


class DeletionRequest(Struct, frozen=True, kw_only=True):
    """What is asked to go with an instance, and how the instance is found."""

    volumes: SelectedIds = SelectedIds()
    floating_ips: SelectedIds
    ports: SelectedIds
    find: Callable[[Tx, Place, str], Awaitable[Instance]] = instances.get


class DeletionSet(Struct, frozen=True, kw_only=True):
    """What goes with an instance, by id."""

    volumes: list[str]
    floating_ips: list[str]
    ports: list[str]


async def delete_instance(ctx: RequestContext, instance_id: str, doomed: DeletionRequest) -> TaskIds:
    """Lock the instance with all that goes with it, and write down the task that deletes them."""
    task_id = ctx.new_id()

    async def write(tx: Tx) -> None:
        before = await doomed.find(tx, ctx.place, instance_id)
        await instances.save(tx, before, before.locked(task_id, "deleting"))
        going = DeletionSet(
            volumes=await _volumes(tx, ctx, instance_id, doomed, task_id),
            floating_ips=await _floating_ips(tx, instance_id, doomed, task_id),
            ports=await _reserved(tx, instance_id, doomed),
        )
        await _begin(tx, ctx, before, going, await _profiles(tx, instance_id, going, task_id), task_id)

    await ctx.db.write(write)
    ctx.app.wake_engine()
    return TaskIds(tasks=[task_id])


async def _profiles(tx: Tx, instance_id: str, going: DeletionSet, task_id: str) -> list[int]:
    """The protection of the addresses that are freed, held by the task."""
    freed = [port for port in await ports.of_instance(tx, instance_id) if not port.reserved or port.id in going.ports]
    leading = [each for each in await floating_ips.of_instance(tx, instance_id) if each.id in going.floating_ips]
    return [
        *await lock_profiles_of_ports(tx, freed, task_id),
        *await lock_profiles_of_floating_ips(tx, leading, task_id),
    ]


async def _begin(  # each is a fact of its own
    tx: Tx, ctx: RequestContext, instance: Instance, going: DeletionSet, profiles: list[int], task_id: str
) -> None:
    task_type = "delete_bm" if instance.kind == Kind.BAREMETAL else "delete_vm"
    args = {"volumes": going.volumes, "floating_ips": going.floating_ips, "ports": going.ports}
    shown = {"instance_uuid": instance.id, "instance_id": instance.id, "volumes": going.volumes}
    await ctx.start_task(tx, task_type, task_id, {"instance_id": instance.id, **args, "profiles": profiles}, data=shown)
    await ctx.audit(tx, "instance", "delete", instance.id, data=args, task_id=task_id)


async def _volumes(tx: Tx, ctx: RequestContext, instance_id: str, doomed: DeletionRequest, task_id: str) -> list[str]:
    """Those that go, with their snapshots; the task holds them all, so that nobody else works on them meanwhile."""
    hanging, named = await attachments.with_volumes(tx, instance_id), doomed.volumes.ids
    doomed.volumes.check([volume.id for _, volume in hanging])
    for _, volume in hanging:
        await volumes.save(tx, volume, replace(volume.require_unlocked(), task_id=task_id))
    lost = [volume.id for attachment, volume in hanging if volume.id in named or attachment.delete_on_termination]
    for volume_id in lost:
        await lock_snapshots_for_deletion(tx, ctx, volume_id, [], task_id)
    return lost


async def _floating_ips(tx: Tx, instance_id: str, doomed: DeletionRequest, task_id: str) -> list[str]:
    found = await floating_ips.of_instance(tx, instance_id)
    for floating_ip in found:
        await floating_ips.save(tx, floating_ip, floating_ip.locked(task_id))
    return doomed.floating_ips.of([floating_ip.id for floating_ip in found])


async def _reserved(tx: Tx, instance_id: str, doomed: DeletionRequest) -> list[str]:
    return doomed.ports.of([port.id for port in await ports.of_instance(tx, instance_id) if port.reserved])
