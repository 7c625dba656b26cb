"""Snapshots of volumes, known in OpenStack by their names."""

from functools import partial

from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.named_resources import NamedKind, NamedResources
from pileus.drivers.openstack.volumes import CinderVolumes
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.errors import DriverError

REVERTED_FOR = "pileus:request"
"""The metadata key of a volume's last revert."""


class CinderSnapshots:
    """Takes and deletes snapshots, and reverts volumes to them."""

    def __init__(self, cloud: OpenstackCloud, waits: Waits, volumes: CinderVolumes) -> None:
        self._cloud, self._waits, self._volumes = cloud, waits, volumes
        kind = NamedKind("block-storage", "/snapshots", "snapshot", list_path="/snapshots/detail")
        self._snapshots = NamedResources(cloud, kind, self._delete)

    async def ensure_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Take a snapshot of a volume, in use or not."""
        snapshot = await self._snapshots.find(snapshot_id)
        if snapshot is None:
            volume = await self._volumes.wait_until_idle(await self._volumes.require(volume_id))
            snapshot = (await self._snapshots.create(snapshot_id, {"volume_id": volume["id"], "force": True})).item
        snapshot = await self._wait_until_taken(snapshot)
        if snapshot["status"] != "available":
            raise DriverError("OpenStack cannot take the snapshot", retryable=False)

    async def ensure_no_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot."""
        for snapshot in await self._snapshots.find_all(snapshot_id):
            await self._delete(snapshot)

    async def ensure_reverted_volume(self, volume_id: str, snapshot_id: str, request_id: str) -> None:
        """Revert a detached volume to its newest snapshot, once for a request. OpenStack refuses older ones."""
        volume = await self._volumes.wait_until_idle(await self._volumes.require(volume_id))
        if volume["metadata"].get(REVERTED_FOR) == request_id:
            return
        snapshot = await self._snapshots.find(snapshot_id)
        if snapshot is None:
            raise DriverError(f"Snapshot {snapshot_id} does not exist", retryable=False)
        await self._volumes.act(volume, {"revert": {"snapshot_id": snapshot["id"]}})
        await self._volumes.wait_until_idle(volume)
        path = f"/volumes/{volume['id']}/metadata"
        await self._cloud.post("block-storage", path, {"metadata": {REVERTED_FOR: request_id}})

    async def _delete(self, snapshot: Json) -> None:
        if snapshot["status"] == "creating":
            snapshot = await self._wait_until_taken(snapshot)
        if snapshot["status"] != "deleting":
            await self._cloud.delete("block-storage", f"/snapshots/{snapshot['id']}")
        read = partial(self._cloud.find, "block-storage", f"/snapshots/{snapshot['id']}")
        answer = await self._waits.wait_until(read, _is_deleted, f"the deletion of snapshot {snapshot['id']}")
        if answer is not None:
            raise DriverError("OpenStack cannot delete the snapshot", retryable=False)

    async def _wait_until_taken(self, snapshot: Json) -> Json:
        read = partial(self._cloud.get, "block-storage", f"/snapshots/{snapshot['id']}")
        taken: Json = (await self._waits.wait_until(read, _has_ended, f"snapshot {snapshot['id']}"))["snapshot"]
        return taken


def _has_ended(answer: Json) -> bool:
    status = answer["snapshot"]["status"]
    return bool(status == "available" or status.startswith("error"))


def _is_deleted(answer: Json | None) -> bool:
    return answer is None or answer["snapshot"]["status"].startswith("error")
