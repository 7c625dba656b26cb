"""Things of a tenant's for tests, put straight into the store and the driver: what stands where a story begins."""

from typing import Any

from msgspec.structs import replace

from pileus.app import Running
from pileus.domain.instances import VM_STATES, Instance, Status
from pileus.domain.networks import next_free
from pileus.domain.places import Place
from pileus.domain.ports import AssignedAddress, Port, mac_address
from pileus.domain.tags import tagged
from pileus.domain.volumes import Attachment, Volume, VolumeStatus, device
from pileus.drivers.driver import Disk, Machine, Nic, Volumes
from pileus.drivers.simulated import Simulated
from pileus.store import attachments, images, instances, ports, subnets, tags, volumes
from pileus.store.database import Tx
from tests.tenants import REGION, Tenant

SYSTEM_TAGS = {"os_distro": "ubuntu", "os_type": "linux", "os_version": "22.04"}
FLAVOR = "g1-standard-1-2"


def place_of(tenant: Tenant) -> Place:
    """Where the tenant's things are."""
    return Place(tenant.client_id, tenant.project_id, REGION)


def owned(tenant: Tenant) -> dict[str, Any]:
    """What every record of the tenant's has."""
    cloud = tenant.running.cloud
    return {
        "id": cloud.new_id(),
        "client_id": tenant.client_id,
        "project_id": tenant.project_id,
        "region_id": REGION,
        "created_at": cloud.now(),
    }


async def an_instance(tenant: Tenant, *, labels: dict[str, str] | None = None, **changes: Any) -> Instance:
    """A server that runs, with a boot volume, an address in the public network, the system's tags and `labels`."""
    facts = {"name": "web", "flavor_id": FLAVOR, "status": Status.ACTIVE.value, "changed_at": 0, **owned(tenant)}
    instance = Instance(**{**facts, **changes})
    instance = replace(instance, vm_state=changes.get("vm_state", VM_STATES[Status(instance.status)]))
    given = tagged(SYSTEM_TAGS.items(), read_only=True) | tagged((labels or {}).items())

    async def write(tx: Tx) -> None:
        await instances.add(tx, instance)
        await tags.add(tx, instances.KIND, instance.place, instance.id, given)
        await _boot_volume(tx, tenant, instance)
        await _port(tx, tenant, instance)

    await tenant.running.cloud.db.write(write)
    await _machine(tenant.running, instance)
    return instance


async def _boot_volume(tx: Tx, tenant: Tenant, instance: Instance) -> None:
    (image, *_) = await images.TABLE.find(
        tx, "region_id = :region_id AND client_id IS NULL ORDER BY name", region_id=REGION
    )
    now = instance.created_at
    volume = Volume(
        **owned(tenant),
        name=f"{instance.name}_bootvolume",
        size=10,
        status=VolumeStatus.IN_USE,
        bootable=True,
        image_id=image.id,
        updated_at=now,
    )
    await volumes.add(tx, volume)
    await attachments.add(
        tx,
        Attachment(
            volume_id=volume.id,
            id=tenant.running.cloud.new_id(),
            instance_id=instance.id,
            device=device(0),
            boot_index=0,
            attached_at=now,
        ),
    )


async def _port(tx: Tx, tenant: Tenant, instance: Instance) -> None:
    (network, ranges), *_ = tenant.running.cloud.catalogue.network_records(REGION, 0)
    facts = owned(tenant)
    port = Port(
        **facts,
        network_id=network.id,
        instance_id=instance.id,
        mac_address=mac_address(facts["id"]),
        updated_at=instance.created_at,
    )
    await ports.add(tx, port)
    subnet = await subnets.find(tx, ranges[0].id)
    assert subnet is not None
    rows = await tx.all("SELECT ip FROM addresses WHERE subnet_id = :id", id=subnet.id)
    address = next_free(subnet, {row[0] for row in rows})
    assert address is not None
    await ports.assign(tx, AssignedAddress(subnet_id=subnet.id, ip=address, port_id=port.id))


async def _machine(running: Running, instance: Instance) -> None:
    """Let the driver have what the records say."""
    driver, flavor = running.driver, running.cloud.catalogue.flavor(instance.flavor_id)
    assert isinstance(driver, Simulated)
    assert isinstance(driver, Volumes)
    assert flavor is not None
    async with running.cloud.db.read() as tx:
        disks = [
            Disk(id=volume.id, size=volume.size, type_name=volume.type_name, device=attachment.device, boot_index=0)
            for attachment, volume in await attachments.with_volumes(tx, instance.id)
        ]
        nics = [
            Nic(port_id=port.id, network_id=port.network_id, mac_address=port.mac_address, addresses=addresses)
            for port, addresses in await ports.with_addresses(tx, instance.id)
        ]
    machine = Machine(
        id=instance.id,
        name=instance.name,
        flavor_id=flavor.id,
        vcpus=flavor.vcpus,
        ram=flavor.ram,
        disks=disks,
        nics=nics,
    )
    for disk in disks:
        await driver.ensure_volume(disk)
    await driver.ensure_running(machine)
    for disk in disks:
        await driver.ensure_attached(instance.id, disk)
    for nic in nics:
        await driver.ensure_plugged(instance.id, nic)
    driver.set_state(instance.id, instance.status, None)
