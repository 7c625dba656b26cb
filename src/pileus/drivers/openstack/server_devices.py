"""What belongs to a server before it runs: its own disk or boot volume, and the volumes and ports that it names."""

from pileus.drivers.openstack.catalogue_names import CatalogueNames
from pileus.drivers.openstack.cloud import Json
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.openstack.ports import NeutronPorts
from pileus.drivers.openstack.volume_attachments import CinderAttachments
from pileus.drivers.openstack.volumes import CinderVolumes
from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import NicSpec


class ServerDevices:
    """The volumes and ports of servers."""

    def __init__(  # the parts of the driver that it uses
        self,
        names: CatalogueNames,
        volumes: CinderVolumes,
        attachments: CinderAttachments,
        ports: NeutronPorts,
        *,
        boot_image: str,
    ) -> None:
        self._names, self._volumes, self._attachments, self._ports = names, volumes, attachments, ports
        self._boot_image = boot_image

    async def own_image_id(self, machine: MachineSpec) -> str | None:
        """Return the image for the server's own disk; None if it boots from a volume. Raises DriverError."""
        if machine.image_id is not None:
            return await self._names.require_image_id(machine.image_id)
        if any(disk.boot_index == 0 for disk in machine.disks):
            return None
        if not self._boot_image:
            raise DriverError(f"Machine {machine.id} has no boot volume", retryable=False)
        return await self._names.require_image_id_of_name(self._boot_image)

    async def require_bootable_volumes(self, machine: MachineSpec, *, has_own_disk: bool) -> dict[str, str]:
        """Return the ids in OpenStack of a machine's volumes. Raises DriverError if one is missing."""
        volumes = {disk.id: await self._volumes.require(disk.id) for disk in machine.disks}
        for disk in machine.disks:
            if disk.boot_index == 0 and not has_own_disk:
                await self._volumes.make_bootable(volumes[disk.id])
        return {volume_id: volume["id"] for volume_id, volume in volumes.items()}

    async def ensure_port(self, nic: NicSpec, machine_id: str) -> str:
        """Create a port, or update it, and return its id in OpenStack."""
        return str((await self._ports.ensure_port(nic, machine_id))["id"])

    async def attach_only_named(self, server: Json, machine: MachineSpec) -> None:
        """Give a stopped server the volumes and ports of the machine, and no others."""
        volumes = {disk.id: await self._volumes.require(disk.id) for disk in machine.disks}
        await self._attachments.detach_others(server, {volume["id"] for volume in volumes.values()})
        for volume_id, volume in volumes.items():
            await self._attachments.attach(server, volume, volume_id)
        await self._ports.detach_others(server, {engine_name(nic.port_id) for nic in machine.nics})
        for nic in machine.nics:
            await self._ports.attach(server, await self._ports.ensure_port(nic, machine.id))

    async def delete_ports(self, machine_id: str) -> None:
        """Delete the ports of a machine that does not exist any more."""
        await self._ports.delete_ports_of(machine_id)
