"""Builders of a tenant's resources, which are added directly to the store and to the driver."""

from typing import Any

from msgspec.structs import replace

from pileus.app import RunningCloud
from pileus.domain.account.user_actions import UserAction
from pileus.domain.compute.images import Image
from pileus.domain.compute.instances import VM_STATES, Instance, InstanceKind, Status
from pileus.domain.compute.placement_groups import PlacementGroup
from pileus.domain.context import Context
from pileus.domain.faults import Fault, FaultKind
from pileus.domain.network.ddos_profiles import DdosProfile
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.networks import Network, Subnet
from pileus.domain.network.ports import Port, derive_mac_address
from pileus.domain.network.security_groups import SecurityGroup
from pileus.domain.network.security_rules import NewRule, SecurityGroupRule, new_rule_record
from pileus.domain.places import Caller, Place
from pileus.domain.storage.volumes import Attachment, Volume, VolumeStatus, device_name
from pileus.domain.tags import make_tags
from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.network import FloatingIPSpec, NetworkSpec, NicSpec, SecurityGroupSpec, SubnetSpec
from pileus.drivers.protocols.storage import DiskSpec
from pileus.drivers.simulated.driver import Simulated
from pileus.store import counters, faults, tags
from pileus.store.account import user_actions
from pileus.store.compute import images, instances
from pileus.store.database import Tx
from pileus.store.network import addresses, ddos_profiles, floating_ips, networks, ports, security_groups, subnets
from pileus.store.rows import Table
from pileus.store.storage import attachments, volumes
from pileus.tasks.compute.machines import load_nic_spec
from tests.tenants import REGION, Tenant

SYSTEM_TAGS = {"os_distro": "ubuntu", "os_type": "linux", "os_version": "22.04"}
FLAVOR = "g1-standard-1-2"
BARE_METAL = "bm2-hf-medium"
BEING_BUILT = "00000000-0000-0000-0000-000000000000"
FLOATING_IPS = Table("floating_ips", FloatingIP)
SECURITY_GROUPS = Table("security_groups", SecurityGroup)
PLACEMENT_GROUPS = Table("placement_groups", PlacementGroup)


def place_of(tenant: Tenant) -> Place:
    """Return the place of the tenant's resources."""
    return Place(tenant.client_id, tenant.project_id, REGION)


def context_of(tenant: Tenant, **changes: Any) -> Context:
    """Return the context of a request by the tenant's administrator."""
    app, caller = tenant.running.app_state, Caller(client_id=tenant.client_id, user_id=1, email="", token_id=1, role="")
    fields = {"place": place_of(tenant), "caller": caller, "catalogue": app.catalogue}
    source = {"now": app.now, "new_id": app.new_id, "new_ordered_id": app.new_ordered_id, "task_limit": app.task_limit}
    return Context(**{**fields, **source, **changes})


def record_fields(tenant: Tenant) -> dict[str, Any]:
    """Return the fields that all records have."""
    cloud = tenant.running.app_state
    return {
        "id": cloud.new_id(),
        "client_id": tenant.client_id,
        "project_id": tenant.project_id,
        "region_id": REGION,
        "created_at": cloud.now(),
    }


def updated_record_fields(tenant: Tenant) -> dict[str, Any]:
    """Return the fields of records that also have the time of their last change."""
    fields = record_fields(tenant)
    return {**fields, "updated_at": fields["created_at"]}


def driver_of(running: RunningCloud) -> Simulated:
    """Return the simulated driver."""
    driver = running.drivers.require(REGION)
    assert isinstance(driver, Simulated)
    return driver


async def an_instance(
    tenant: Tenant, *, labels: dict[str, str] | None = None, image: Image | None = None, **changes: Any
) -> Instance:
    """Add a running instance with a boot volume, an address in the public network, system tags and `labels`."""
    flavor = tenant.running.app_state.catalogue.flavor(changes.get("flavor_id", FLAVOR))
    assert flavor is not None
    fields = {"name": "web", "flavor_id": flavor.id, "kind": flavor.kind.value, "status": Status.ACTIVE.value}
    instance = Instance(**{"changed_at": 0, **record_fields(tenant), **fields, **changes})
    instance = replace(instance, vm_state=changes.get("vm_state", VM_STATES[Status(instance.status)]))
    given = make_tags(SYSTEM_TAGS.items(), read_only=True) | make_tags((labels or {}).items())

    async def write(tx: Tx) -> Instance:
        # Until its machine is ready, the reconciler must not look at it: a lock keeps it away, as that of a task does.
        await instances.add(tx, replace(instance, task_id=BEING_BUILT))
        await tags.add(tx, instances.KIND, instance.place, instance.id, given)
        if instance.kind == InstanceKind.VM:
            await _add_boot_volume(tx, tenant, instance, image or await _get_public_image(tx))
        await _add_port(tx, tenant, instance, await _get_external_subnet(tx, tenant))
        return instance

    async def unlock(tx: Tx) -> Instance:
        # As after a task, the revision is another one: what the reconciler has read before is out of date.
        unlocked = replace(instance, stamp=tx.stamp, revision=instance.revision + 1)
        await tx.run(
            "UPDATE instances SET task_id = :task_id, stamp = :stamp, revision = :revision WHERE id = :id",
            task_id=unlocked.task_id,
            stamp=unlocked.stamp,
            revision=unlocked.revision,
            id=unlocked.id,
        )
        return unlocked

    await _start_machine(tenant.running, await tenant.running.app_state.db.write(write))
    return await tenant.running.app_state.db.write(unlock)


async def an_image(tenant: Tenant, **changes: Any) -> Image:
    """Add a private Linux image."""
    fields = {"name": "mine", "os_distro": "ubuntu", "os_version": "22.04", "size": 1, **updated_record_fields(tenant)}
    image = Image(**{**fields, **changes})
    return await tenant.running.app_state.db.write(lambda tx: images.TABLE.add(tx, image))


async def a_network(tenant: Tenant, *cidrs: str, **changes: Any) -> tuple[Network, list[Subnet]]:
    """Add a private network with subnets, by default 10.0.0.0/24."""
    network = Network(**{"name": "inside", **updated_record_fields(tenant), **changes})
    ranges = [_make_subnet(tenant, network, cidr) for cidr in cidrs or ("10.0.0.0/24",)]

    async def write(tx: Tx) -> None:
        await networks.add(tx, network)
        for subnet in ranges:
            await subnets.add(tx, subnet)

    await tenant.running.app_state.db.write(write)
    await driver_of(tenant.running).ensure_network(NetworkSpec.of(network))
    for subnet in ranges:
        await driver_of(tenant.running).ensure_subnet(SubnetSpec.of(subnet))
    return network, ranges


async def a_port(
    tenant: Tenant, subnet: Subnet | None = None, instance: Instance | None = None, **changes: Any
) -> Port:
    """Add a port with an address in a subnet, by default the public one; without an instance it is reserved."""

    async def write(tx: Tx) -> Port:
        return await _add_port(tx, tenant, instance, subnet or await _get_external_subnet(tx, tenant), **changes)

    port = await tenant.running.app_state.db.write(write)
    if instance:
        await driver_of(tenant.running).ensure_interface(instance.id, await _load_nic(tenant.running, port))
    return port


async def a_floating_ip(tenant: Tenant, port: Port | None = None, **changes: Any) -> FloatingIP:
    """Add a floating IP, assigned to the first address of a port if one is given."""

    async def write(tx: Tx) -> FloatingIP:
        subnet = await _get_external_subnet(tx, tenant)
        fixed = (await ports.list_addresses(tx, port.id))[0].ip if port else None
        fields = {"port_id": port and port.id, "fixed_ip_address": fixed, "status": "ACTIVE" if port else "DOWN"}
        floating = FloatingIP(**{"floating_ip_address": "", **updated_record_fields(tenant), **fields, **changes})
        await floating_ips.add(tx, floating)
        ip = await addresses.allocate(tx, subnet, floating_ip_id=floating.id)
        return await floating_ips.save(tx, floating, floating.with_address(ip))

    floating = await tenant.running.app_state.db.write(write)
    if floating.port_id and floating.fixed_ip_address:
        spec = FloatingIPSpec(
            id=floating.id,
            region_id=floating.region_id,
            ip_address=floating.floating_ip_address,
            port_id=floating.port_id,
            fixed_ip_address=floating.fixed_ip_address,
            network_id=port.network_id if port else None,
        )
        await driver_of(tenant.running).ensure_floating_ip(spec)
    return floating


async def a_security_group(tenant: Tenant, name: str = "web", *group_ports: Port, **changes: Any) -> SecurityGroup:
    """Add a security group with ports."""
    group = SecurityGroup(**{"name": name, **updated_record_fields(tenant), **changes})

    async def write(tx: Tx) -> None:
        await SECURITY_GROUPS.add(tx, group)
        for port in group_ports:
            await security_groups.add_to_port(tx, port.id, [group.id])

    await tenant.running.app_state.db.write(write)
    await driver_of(tenant.running).ensure_security_group(SecurityGroupSpec(id=group.id, name=group.name))
    for port in group_ports:
        if port.instance_id:
            await driver_of(tenant.running).ensure_interface(port.instance_id, await _load_nic(tenant.running, port))
    return group


async def a_rule(tenant: Tenant, group: SecurityGroup, **changes: Any) -> SecurityGroupRule:
    """Add a rule to a security group, by default ingress of SSH."""
    fields = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22, **changes}
    rule = new_rule_record(
        group.id, NewRule(**fields), tenant.running.app_state.new_id(), tenant.running.app_state.now()
    )
    async with tenant.running.app_state.db.read() as tx:
        existing = await security_groups.list_rules(tx, group.id)
    await tenant.running.app_state.db.write(lambda tx: security_groups.replace_rules(tx, group.id, [*existing, rule]))
    spec = SecurityGroupSpec(id=group.id, name=group.name, rules=[known.as_new_rule for known in (*existing, rule)])
    await driver_of(tenant.running).ensure_security_group(spec)
    return rule


async def a_placement_group(tenant: Tenant, policy: str = "anti-affinity", **changes: Any) -> PlacementGroup:
    """Add a placement group without members."""
    group = PlacementGroup(**{"name": "together", "policy": policy, **record_fields(tenant), **changes})
    return await tenant.running.app_state.db.write(lambda tx: PLACEMENT_GROUPS.add(tx, group))


async def a_ddos_profile(tenant: Tenant, ip_address: str, **changes: Any) -> DdosProfile:
    """Add a DDoS profile of an address."""

    async def write(tx: Tx) -> DdosProfile:
        fields = {"ip_address": ip_address, "template_id": 1, **record_fields(tenant)}
        profile = DdosProfile(**{**fields, "id": await counters.increment(tx, "ddos_profiles"), **changes})
        await ddos_profiles.add(tx, profile)
        return profile

    return await tenant.running.app_state.db.write(write)


async def list_ports(tenant: Tenant, instance: Instance) -> list[Port]:
    """Read the ports of an instance."""
    async with tenant.running.app_state.db.read() as tx:
        return await ports.list_by_instance(tx, instance.id)


async def list_addresses(tenant: Tenant, port: Port) -> list[str]:
    """Read the addresses of a port."""
    async with tenant.running.app_state.db.read() as tx:
        return [line.ip for line in await ports.list_addresses(tx, port.id)]


async def list_group_names(tenant: Tenant, port: Port) -> list[str]:
    """Read the names of the security groups of a port."""
    async with tenant.running.app_state.db.read() as tx:
        return sorted(group.name for group in await security_groups.list_by_port(tx, port.id))


async def list_user_actions(tenant: Tenant) -> list[UserAction]:
    """Read the tenant's entries of the audit log, oldest first."""
    async with tenant.running.app_state.db.read() as tx:
        return await user_actions.TABLE.find(tx, "client_id = :id ORDER BY created_at", id=tenant.client_id)


async def inject_fault(
    tenant: Tenant, kind: FaultKind, task_type: str, step: str | None = None, message: str = "Injected"
) -> None:
    """Make tasks of a type wait or fail at a step, by default the first one."""
    cloud = tenant.running.app_state
    fault = Fault(
        id=cloud.new_id(),
        client_id=tenant.client_id,
        kind=kind,
        task_type=task_type,
        step=step,
        message=message,
        created_at=cloud.now(),
    )
    await cloud.db.write(lambda tx: faults.add(tx, fault))


async def reload_instance(tenant: Tenant, instance: Instance) -> Instance:
    """Read the current record of an instance."""
    async with tenant.running.app_state.db.read() as tx:
        return await instances.get(tx, instance.place, instance.id)


def _make_subnet(tenant: Tenant, network: Network, cidr: str) -> Subnet:
    version = 6 if ":" in cidr else 4
    gateway = cidr.split("/", maxsplit=1)[0].removesuffix("0") + "1"
    return Subnet(
        **updated_record_fields(tenant),
        network_id=network.id,
        name="range",
        cidr=cidr,
        ip_version=version,
        gateway_ip=gateway,
    )


async def _get_external_subnet(tx: Tx, tenant: Tenant) -> Subnet:
    """Return the external subnet."""
    (_, ranges), *_ = tenant.running.app_state.catalogue.external_network_records(REGION, 0)
    subnet = await subnets.find(tx, ranges[0].id)
    assert subnet is not None
    return subnet


async def _add_port(tx: Tx, tenant: Tenant, instance: Instance | None, subnet: Subnet, **changes: Any) -> Port:
    fields = updated_record_fields(tenant)
    place = (
        {"instance_id": instance.id, "position": len(await ports.list_by_instance(tx, instance.id))} if instance else {}
    )
    network = await networks.require(tx, subnet.network_id)
    network_fields = {
        "network_id": network.id,
        "external": network.external,
        "reserved": instance is None,
        "mac_address": derive_mac_address(fields["id"]),
    }
    port = await ports.add(tx, Port(**{**fields, **network_fields, **place, **changes}))
    await addresses.allocate(tx, subnet, port_id=port.id)
    return port


async def _get_public_image(tx: Tx) -> Image:
    (image, *_) = await images.TABLE.find(
        tx, "region_id = :region_id AND client_id IS NULL ORDER BY name", region_id=REGION
    )
    return image


async def _add_boot_volume(tx: Tx, tenant: Tenant, instance: Instance, image: Image) -> None:
    volume = Volume(
        **updated_record_fields(tenant),
        name=f"{instance.name}_bootvolume",
        size=10,
        status=VolumeStatus.IN_USE,
        bootable=True,
        image_id=image.id,
    )
    await volumes.add(tx, volume)
    await attachments.add(
        tx,
        Attachment(
            volume_id=volume.id,
            id=tenant.running.app_state.new_id(),
            instance_id=instance.id,
            device=device_name(0),
            boot_index=0,
            attached_at=instance.created_at,
        ),
    )


async def _load_nic(running: RunningCloud, port: Port) -> NicSpec:
    async with running.app_state.db.read() as tx:
        return await load_nic_spec(tx, port)


async def _start_machine(running: RunningCloud, instance: Instance) -> None:
    """Create the machine in the driver, as the records describe it."""
    driver, flavor = driver_of(running), running.app_state.catalogue.flavor(instance.flavor_id)
    assert flavor is not None
    async with running.app_state.db.read() as tx:
        disks = [
            DiskSpec(id=volume.id, size=volume.size, type_name=volume.type_name, device=attachment.device, boot_index=0)
            for attachment, volume in await attachments.list_with_volumes(tx, instance.id)
        ]
        attached_ports = await ports.list_by_instance(tx, instance.id)
    nics = [await _load_nic(running, port) for port in attached_ports]
    for disk in disks:
        await driver.ensure_volume(disk)
    await driver.ensure_running_machine(
        MachineSpec(
            id=instance.id,
            name=instance.name,
            flavor_id=flavor.id,
            vcpus=flavor.vcpus,
            ram=flavor.ram,
            host=instance.host,
            disks=disks,
            nics=nics,
        )
    )
    for disk in disks:
        await driver.ensure_volume_attachment(instance.id, disk)
    for nic in nics:
        await driver.ensure_interface(instance.id, nic)
    if instance.status != Status.ACTIVE:
        await driver.set_machine_state(instance.id, instance.status, None)
