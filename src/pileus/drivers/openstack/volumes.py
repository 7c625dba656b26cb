"""Volumes, known in OpenStack by their names."""

from collections.abc import Callable
from functools import partial

from pileus.drivers.openstack.catalogue_names import CatalogueNames
from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.named_resources import NamedKind, NamedResources
from pileus.drivers.openstack.names import PREFIX, engine_name
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.storage import DiskSpec

MIGRATION = "os-vol-mig-status-attr:migstat"
COPY_STATES = ("target:", "deleting")
"""Migration states of the copy that a volume is moved by; it has the volume's name."""
IDLE = frozenset({"available", "in-use"})
UPLOADING = "uploading"
"""The status of a volume while it is copied to an image."""
FAILED, DELETING = "error", "deleting"
"""A volume whose creation has failed, and one that is being deleted. `error_extending` and others are of older ones."""


class CinderVolumes:
    """Creates, changes and deletes volumes."""

    def __init__(self, cloud: OpenstackCloud, waits: Waits, names: CatalogueNames) -> None:
        self._cloud, self._waits, self._names = cloud, waits, names
        kind = NamedKind("block-storage", "/volumes", "volume", list_path="/volumes/detail")
        self._volumes = NamedResources(cloud, kind, self._delete)

    async def ensure_volume(self, disk: DiskSpec) -> None:
        """Create a volume: blank, or with the content of an image or a snapshot. An earlier call can have begun it."""
        volume = await self.find(disk.id)
        if volume is not None and not disk.is_new:
            await self.wait_until_idle(volume)
            return
        if volume is None:
            order = {"size": disk.size, "volume_type": disk.type_name} | await self._source(disk)
            volume = (await self._volumes.create(disk.id, order)).item
        await self._require_filled(disk.id, volume)

    async def ensure_no_volume(self, volume_id: str) -> None:
        """Delete a volume, and a second one of a creation that ran twice."""
        for volume in await self._list(volume_id):
            await self._delete(volume)

    async def ensure_volume_size(self, volume_id: str, size_gib: int) -> None:
        """Extend a volume. It cannot shrink in OpenStack, so it keeps a larger size."""
        volume = await self.wait_until_idle(await self.require(volume_id))
        if volume["size"] < size_gib:
            await self.act(volume, {"os-extend": {"new_size": size_gib}})
            volume = await self.wait_until_idle(volume)
        if volume["size"] < size_gib:
            raise DriverError(f"OpenStack has not extended volume {volume_id}", retryable=False)

    async def ensure_volume_type(self, volume_id: str, type_name: str) -> None:
        """Move a volume to another type."""
        volume = await self.wait_until_idle(await self.require(volume_id))
        if volume["volume_type"] == type_name:
            return
        await self.act(volume, {"os-retype": {"new_type": type_name, "migration_policy": "on-demand"}})
        if (await self.wait_until_idle(volume))["volume_type"] != type_name:
            raise DriverError(f"OpenStack has not moved volume {volume_id} to type {type_name}", retryable=False)

    async def find(self, volume_id: str) -> Json | None:
        """Return a volume, or None: the oldest one if a creation ran twice."""
        volumes = await self._list(volume_id)
        return min(volumes, key=lambda volume: (volume["created_at"], volume["id"]), default=None)

    async def require(self, volume_id: str) -> Json:
        """Return a volume. Raises DriverError if there is none."""
        volume = await self.find(volume_id)
        if volume is None:
            raise DriverError(f"Volume {volume_id} does not exist", retryable=False)
        return volume

    async def is_uploading(self, volume_id: str) -> bool:
        """Return whether OpenStack copies a volume to an image."""
        volume = await self.find(volume_id)
        return volume is not None and volume["status"] == UPLOADING

    async def make_bootable(self, volume: Json) -> None:
        """Let machines boot from a volume."""
        if volume["bootable"] != "true":
            await self.act(volume, {"os-set_bootable": {"bootable": True}})

    async def act(self, volume: Json, action: Json) -> Json:
        """Start an action, which goes on in the background."""
        return await self._cloud.post("block-storage", f"/volumes/{volume['id']}/action", action)

    async def wait_until_idle(self, volume: Json) -> Json:
        """Wait until nothing happens to a volume. Raises DriverError if it has an error."""
        read = partial(self._read, volume["id"])
        return _require_idle(await self._waits.wait_until(read, _is_idle_or_failed, f"volume {volume['id']}"))

    async def _source(self, disk: DiskSpec) -> Json:
        if disk.snapshot_id is not None:
            snapshots = await self._cloud.get("block-storage", "/snapshots", name=engine_name(disk.snapshot_id))
            if not snapshots["snapshots"]:
                raise DriverError(f"Snapshot {disk.snapshot_id} does not exist", retryable=False)
            return {"snapshot_id": snapshots["snapshots"][0]["id"]}
        if disk.image_id is not None:
            return {"imageRef": await self._names.require_image_id(disk.image_id)}
        return {}

    async def _require_filled(self, volume_id: str, volume: Json) -> None:
        """Wait until a new volume has its content. One that has failed holds nothing: the next try makes another."""
        filled = await self._wait_unless_gone(volume, _is_idle_or_failed, f"volume {volume['id']}")
        if filled is not None and _is_unfilled(filled):
            await self._delete(filled)
            filled = None
        if filled is None:
            await self._cloud.require_services()
            raise DriverError(f"OpenStack cannot fill volume {volume_id}", retryable=True)
        _require_idle(filled)

    async def _delete(self, volume: Json) -> None:
        present = await self._wait_unless_gone(volume, _can_be_deleted, f"volume {volume['id']}")
        # OpenStack refuses to delete a volume twice.
        if present is not None and present["status"] != DELETING:
            await self._cloud.delete("block-storage", f"/volumes/{volume['id']}")
        subject = f"the deletion of volume {volume['id']}"
        if present is not None and await self._wait_unless_gone(volume, _has_failed, subject) is not None:
            volume_id = volume["name"].removeprefix(PREFIX)
            raise DriverError(f"OpenStack cannot delete volume {volume_id}", retryable=False)

    async def _wait_unless_gone(self, volume: Json, is_reached: Callable[[Json], bool], subject: str) -> Json | None:
        """Wait for a condition of a volume, and return it; None if it is deleted meanwhile."""

        def has_ended(answer: Json | None) -> bool:
            return answer is None or is_reached(answer["volume"])

        read = partial(self._cloud.find, "block-storage", f"/volumes/{volume['id']}")
        answer = await self._waits.wait_until(read, has_ended, subject)
        return None if answer is None else answer["volume"]

    async def _list(self, volume_id: str) -> list[Json]:
        """Return the volumes of this name, without the copies that OpenStack makes to move a volume."""
        return [volume for volume in await self._volumes.find_all(volume_id) if not is_migration_copy(volume)]

    async def _read(self, engine_id: str) -> Json:
        volume: Json = (await self._cloud.get("block-storage", f"/volumes/{engine_id}"))["volume"]
        return volume


def is_migration_copy(volume: Json) -> bool:
    """Return whether a volume is the copy by which OpenStack moves another one."""
    return str(volume.get(MIGRATION) or "").startswith(COPY_STATES)


def _require_idle(volume: Json) -> Json:
    if volume["status"] not in IDLE:
        raise DriverError(f"The volume has the status {volume['status']} in OpenStack", retryable=False)
    return volume


def _is_idle_or_failed(volume: Json) -> bool:
    return volume["status"] in IDLE or _has_failed(volume)


def _can_be_deleted(volume: Json) -> bool:
    return _is_idle_or_failed(volume) or volume["status"] == DELETING


def _is_unfilled(volume: Json) -> bool:
    """Return whether a volume of a creation that has not ended has no content."""
    return bool(volume["status"] == FAILED and not volume["attachments"])


def _has_failed(volume: Json) -> bool:
    return bool(volume["status"].startswith("error"))
