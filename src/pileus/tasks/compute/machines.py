"""Instances as drivers see them: specifications of machines, disks and network interfaces from the database."""

from pileus.domain.compute.instances import Instance
from pileus.domain.errors import not_found
from pileus.domain.network.ports import Port
from pileus.domain.storage.volumes import Attachment, Volume
from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.network import NicSpec
from pileus.drivers.protocols.storage import DiskSpec
from pileus.store import tags
from pileus.store.compute import instances, ssh_keys
from pileus.store.database import Tx
from pileus.store.network import ports, security_groups
from pileus.store.storage import attachments
from pileus.tasks.compute.machine_metadata import load_tags
from pileus.tasks.operation import TaskContext


async def unlock_instance(tx: Tx, instance_id: str) -> None:
    """Save an instance as unlocked, otherwise unchanged. Raises NotFound."""
    instance = await instances.require(tx, instance_id)
    await instances.save(tx, instance, instance.unlocked())


async def load_machine_spec(ctx: TaskContext[object], instance_id: str, *, flavor_id: str | None = None) -> MachineSpec:
    """Return the machine that the instance describes, with another flavor if one is given. Raises NotFound."""

    async def load(tx: Tx) -> MachineSpec:
        instance = await instances.require(tx, instance_id)
        return await _load_machine(tx, ctx, instance, flavor_id or instance.flavor_id)

    return await ctx.read_once(f"machine {instance_id} {flavor_id}", load)


async def _load_machine(tx: Tx, ctx: TaskContext[object], instance: Instance, flavor_id: str) -> MachineSpec:
    flavor = ctx.catalogue.flavor(flavor_id)
    if flavor is None:
        raise not_found("Flavor", flavor_id)
    key = await ssh_keys.find(tx, instance.ssh_key_id) if instance.ssh_key_id else None
    return MachineSpec(
        id=instance.id,
        client_id=instance.client_id,
        name=instance.name,
        flavor_id=flavor.id,
        vcpus=flavor.vcpus,
        ram=flavor.ram,
        host=instance.host,
        image_id=await _find_installed_image_id(tx, instance),
        disks=await _load_disks(tx, instance.id),
        nics=[await load_nic_spec(tx, port) for port in await ports.list_by_instance(tx, instance.id)],
        ssh_public_key=key.public_key if key else None,
        tags=await load_tags(tx, instance.id),
        boot=instance.boot,
    )


async def _find_installed_image_id(tx: Tx, instance: Instance) -> str | None:
    """Return the image on a bare metal server, which has no volumes."""
    tag = None if instance.is_virtual else (await tags.list_by_resource(tx, instance.id)).get("image_id")
    return tag.value if tag else None


async def _load_disks(tx: Tx, instance_id: str) -> list[DiskSpec]:
    attached = await attachments.list_with_volumes(tx, instance_id)
    return [disk_spec(volume, attachment) for attachment, volume in attached]


def disk_spec(volume: Volume, attachment: Attachment | None) -> DiskSpec:
    """Return a volume as drivers see it."""
    return DiskSpec(
        id=volume.id,
        client_id=volume.client_id,
        size=volume.size,
        type_name=volume.type_name,
        device=attachment.device if attachment else None,
        boot_index=attachment.boot_index if attachment else -1,
        image_id=volume.image_id,
        snapshot_id=volume.snapshot_id,
    )


async def load_nic_spec(tx: Tx, port: Port) -> NicSpec:
    """Return a port as drivers see it, with its addresses and security groups."""
    return NicSpec(
        port_id=port.id,
        network_id=port.network_id,
        mac_address=port.mac_address,
        addresses=[address.ip for address in await ports.list_addresses(tx, port.id)],
        pairs=port.allowed_address_pairs,
        secured=port.port_security_enabled,
        groups=[group.id for group in await security_groups.list_by_port(tx, port.id)],
    )
