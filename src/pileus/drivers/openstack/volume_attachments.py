"""Attachments of volumes to servers."""

from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.servers import OpenstackServers
from pileus.drivers.openstack.volumes import IDLE, CinderVolumes
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.storage import DiskSpec


class CinderAttachments:
    """Attaches volumes, each to one server at most."""

    def __init__(self, cloud: OpenstackCloud, servers: OpenstackServers, volumes: CinderVolumes) -> None:
        self._cloud, self._servers, self._volumes = cloud, servers, volumes

    async def ensure_volume_attachment(self, machine_id: str, disk: DiskSpec) -> None:
        """Attach a volume to a machine. Raises DriverError if another machine has it."""
        server = await self._servers.wait_until_idle(await self._servers.require(machine_id))
        await self.attach(server, await self._volumes.require(disk.id), disk.id)

    async def ensure_no_volume_attachment(self, machine_id: str, volume_id: str) -> None:
        """Detach a volume from a machine. OpenStack refuses that for the boot volume."""
        server, volume = await self._servers.find(machine_id), await self._volumes.find(volume_id)
        if server is None and volume is not None and server_ids_of(volume):
            await self._servers.check_cells()
        if server is None or volume is None:
            return
        if server["id"] in server_ids_of(volume):
            await self._detach(await self._servers.wait_until_idle(server), volume)

    async def attach(self, server: Json, volume: Json, volume_id: str) -> None:
        """Attach a volume to a server."""
        holders = server_ids_of(volume)
        if holders - {server["id"]}:
            raise DriverError(f"Volume {volume_id} is attached to another machine", retryable=False)
        if not holders:
            volume = await self._volumes.wait_until_idle(volume)
            order = {"volumeAttachment": {"volumeId": volume["id"]}}
            await self._cloud.post("compute", f"/servers/{server['id']}/os-volume_attachments", order)
        volume = await self._volumes.wait_until_idle(volume)
        # A failed attachment leaves no other trace.
        if server["id"] not in server_ids_of(volume):
            raise DriverError(f"OpenStack has not attached volume {volume_id}", retryable=True)

    async def detach_others(self, server: Json, engine_volume_ids: set[str]) -> None:
        """Detach all volumes of a server but these."""
        for attached in server["os-extended-volumes:volumes_attached"]:
            if attached["id"] not in engine_volume_ids:
                volume = (await self._cloud.get("block-storage", f"/volumes/{attached['id']}"))["volume"]
                await self._detach(server, volume)

    async def _detach(self, server: Json, volume: Json) -> None:
        if volume["status"] in IDLE:
            path = f"/servers/{server['id']}/os-volume_attachments/{volume['id']}"
            await self._cloud.delete("compute", path)
        volume = await self._volumes.wait_until_idle(volume)
        if server["id"] in server_ids_of(volume):
            raise DriverError("The machine has not released the volume", retryable=True)


def server_ids_of(volume: Json) -> set[str]:
    """Return the servers that a volume is attached to."""
    return {attachment["server_id"] for attachment in volume["attachments"]}
