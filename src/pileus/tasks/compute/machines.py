"""An instance's record and what hangs on it, made into the machine that drivers are told of."""

from pileus.domain.compute.instances import Instance
from pileus.domain.errors import not_found
from pileus.domain.network.ports import Port
from pileus.drivers.protocols.compute import Disk, Machine, Nic
from pileus.store import tags
from pileus.store.compute import instances, ssh_keys
from pileus.store.database import Tx
from pileus.store.network import ports, security_groups
from pileus.store.storage import attachments
from pileus.tasks.compute.machine_metadata import tags_of
from pileus.tasks.operation import TaskContext
from pileus.tasks.records import record_of_task


async def instance_of(tx: Tx, work: TaskContext) -> Instance:
    """The instance that the task is about; raises NotFound."""
    return await record_of_task(tx, work, "instance_id", "Instance", instances.find)


async def machine_of(work: TaskContext, flavor_id: str | None = None) -> Machine:
    """The machine as it is to be; of another size than its record says, where a flavor is named."""
    async with work.db.read() as tx:
        instance = await instance_of(tx, work)
        return await _described(tx, work, instance, flavor_id or instance.flavor_id)


async def _described(tx: Tx, work: TaskContext, instance: Instance, flavor_id: str) -> Machine:
    flavor = work.catalogue.flavor(flavor_id)
    if flavor is None:
        raise not_found("Flavor", flavor_id)
    key = await ssh_keys.find(tx, instance.ssh_key_id) if instance.ssh_key_id else None
    return Machine(
        id=instance.id,
        name=instance.name,
        flavor_id=flavor.id,
        vcpus=flavor.vcpus,
        ram=flavor.ram,
        host=instance.host,
        image_id=await _installed(tx, instance),
        disks=await disks_of(tx, instance.id),
        nics=await nics_of(tx, instance.id),
        ssh_public_key=key.public_key if key else None,
        tags=await tags_of(tx, instance.id),
        boot=instance.boot,
    )


async def _installed(tx: Tx, instance: Instance) -> str | None:
    """The image on a server that has no volumes."""
    tag = None if instance.virtual else (await tags.of(tx, instance.id)).get("image_id")
    return tag.value if tag else None


async def disks_of(tx: Tx, instance_id: str) -> list[Disk]:
    """The volumes on an instance."""
    return [
        Disk(
            id=volume.id,
            size=volume.size,
            type_name=volume.type_name,
            device=attachment.device,
            boot_index=attachment.boot_index,
            image_id=volume.image_id,
            snapshot_id=volume.snapshot_id,
        )
        for attachment, volume in await attachments.with_volumes(tx, instance_id)
    ]


async def nics_of(tx: Tx, instance_id: str) -> list[Nic]:
    """The interfaces of an instance."""
    return [await nic_of(tx, port) for port in await ports.of_instance(tx, instance_id)]


async def nic_of(tx: Tx, port: Port) -> Nic:
    """A port as an interface."""
    return Nic(
        port_id=port.id,
        network_id=port.network_id,
        mac_address=port.mac_address,
        addresses=[line.ip for line in await ports.addresses_of(tx, port.id)],
        pairs=port.allowed_address_pairs,
        secured=port.port_security_enabled,
        groups=[group.id for group in await security_groups.of_port(tx, port.id)],
    )
