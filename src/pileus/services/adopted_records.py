"""Save the records of what is adopted. Each function raises what prevents the adoption, and does nothing twice.

It returns the new security groups, or None if the project has the resource already.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import get_args

from msgspec.structs import asdict, astuple

from pileus.domain import limits
from pileus.domain.account import quota_checks
from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instance_orders import ResourceDemand, VolumeDemand
from pileus.domain.compute.instances import VM_STATES, Instance, InstanceKind, Status
from pileus.domain.context import Context
from pileus.domain.errors import Conflict
from pileus.domain.names import NAME_REGEX
from pileus.domain.network.networks import Network, Subnet, parse_cidr
from pileus.domain.network.ports import Port
from pileus.domain.network.security_groups import SecurityGroup
from pileus.domain.network.security_rules import Protocol, SecurityGroupRule, plan_replaced_rules
from pileus.domain.storage.volumes import Attachment, Volume, VolumeStatus
from pileus.drivers.protocols.adoption import (
    ForeignMachine,
    ForeignNetwork,
    ForeignPort,
    ForeignResource,
    ForeignSecurityGroup,
    ForeignVolume,
)
from pileus.drivers.protocols.network import SecurityGroupSpec
from pileus.services.account.quotas import check_quotas
from pileus.services.account.user_actions import write_audit_entry
from pileus.store import resource_revisions
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import addresses, networks, ports, security_groups, subnets
from pileus.store.rows import Table
from pileus.store.storage import attachments, volumes

STATUSES = frozenset({Status.ACTIVE, Status.SHUTOFF, Status.SUSPENDED})
"""Statuses in which a machine can be adopted."""
PROTOCOLS = frozenset({None, *get_args(Protocol)})
CATALOGUE_HINT = "add it to the catalogue, or leave this resource as it is"


def display_name(resource: ForeignResource) -> str:
    """Return the name that a resource gets: its own, or its id in the cloud if that is no valid name here."""
    return resource.name if NAME_REGEX.fullmatch(resource.name) else resource.cloud_id


async def save_network(tx: Tx, ctx: Context, network: ForeignNetwork) -> list[SecurityGroupSpec] | None:
    """Save a network with its subnets. Raises Conflict, QuotaExceeded or NoCapacity."""
    if await _has_record(tx, ctx, networks.TABLE, network):
        return None
    await check_quotas(tx, ctx, {"network_count": 1, "subnet_count": len(network.subnets)})
    now = ctx.now()
    record = Network(
        id=network.id,
        **asdict(ctx.place),
        name=display_name(network),
        mtu=network.mtu,
        segmentation_id=await networks.choose_segmentation_id(tx, ctx.place.region_id, "vxlan", network.id),
        created_at=now,
        updated_at=now,
    )
    await networks.add(tx, record)
    for subnet in network.subnets:
        cidr = parse_cidr(subnet.cidr)
        await subnets.add(
            tx,
            Subnet(
                id=subnet.id,
                **asdict(ctx.place),
                network_id=network.id,
                name=display_name(subnet),
                cidr=str(cidr),
                ip_version=cidr.version,
                gateway_ip=subnet.gateway_ip,
                enable_dhcp=subnet.enable_dhcp,
                dns_nameservers=subnet.dns_nameservers,
                host_routes=subnet.host_routes,
                created_at=now,
                updated_at=now,
            ),
        )
    await _write_audit_entry(tx, ctx, "network", network)
    return []


async def save_volume(tx: Tx, ctx: Context, volume: ForeignVolume) -> list[SecurityGroupSpec] | None:
    """Save a volume that no machine has. Raises Conflict or QuotaExceeded."""
    if await _has_record(tx, ctx, volumes.TABLE, volume):
        return None
    if volume.machine_id is not None:
        raise Conflict(f"Volume {volume.cloud_id} is attached to server {volume.machine_id}: adopt the server")
    await check_quotas(tx, ctx, {"volume_count": 1, "volume_size": volume.size})
    await _add_volume(tx, ctx, volume, VolumeStatus.AVAILABLE)
    return []


async def save_machine(
    tx: Tx, ctx: Context, machine: ForeignMachine, groups: Mapping[str, ForeignSecurityGroup]
) -> list[SecurityGroupSpec] | None:
    """Save a machine with its interfaces, volumes and copies of its security groups.

    Raises Conflict, Invalid or QuotaExceeded.
    """
    if await _has_record(tx, ctx, instances.TABLE, machine):
        return None
    flavor = _require_flavor(ctx, machine)
    if machine.status not in STATUSES:
        raise Conflict(f"The server has the status {machine.status}: start, stop or repair it in the cloud first")
    limits.check_total("volumes", machine.volumes, limits.INSTANCE_VOLUMES, existing_count=0)
    limits.check_total("interfaces", machine.ports, limits.INSTANCE_INTERFACES, existing_count=0)
    await _check_parts_are_free(tx, machine)
    networks_by_id = await _require_networks(tx, ctx, machine.ports)
    await check_quotas(tx, ctx, _count_demand(flavor, machine, networks_by_id))
    await instances.add(tx, _new_instance(ctx, machine, flavor))
    new_groups = await _add_groups(tx, ctx, _list_needed_groups(machine, groups))
    for position, port in enumerate(machine.ports):
        await _add_port(tx, ctx, machine, port, networks_by_id[port.network_id], position)
    for volume in machine.volumes:
        await _add_volume(tx, ctx, volume, VolumeStatus.IN_USE)
        await attachments.add(tx, _new_attachment(ctx, machine, volume))
    await _write_audit_entry(tx, ctx, "instance", machine)
    return new_groups


async def _has_record(
    tx: Tx, ctx: Context, table: Table[Network] | Table[Volume] | Table[Instance], resource: ForeignResource
) -> bool:
    """Return whether the project has a resource already. Raises Conflict if another one has it."""
    record = await table.find_by_id(tx, resource.id)
    if record is not None and (record.client_id, record.project_id, record.region_id) != astuple(ctx.place):
        raise Conflict(f"{display_name(resource)} has been adopted into another project")
    return record is not None


def _require_flavor(ctx: Context, machine: ForeignMachine) -> Flavor:
    flavor = ctx.catalogue.flavor(machine.flavor_id)
    if flavor is None or flavor.kind != InstanceKind.VM:
        raise Conflict(f"The catalogue has no flavor {machine.flavor_id} of virtual machines: {CATALOGUE_HINT}")
    return flavor


async def _check_parts_are_free(tx: Tx, machine: ForeignMachine) -> None:
    """Raise Conflict if an interface or a volume of a machine has a record already."""
    for table, parts in ((ports.TABLE, machine.ports), (volumes.TABLE, machine.volumes)):
        for known_id in await resource_revisions.list_known_ids(tx, table, [part.id for part in parts]):
            raise Conflict(f"{known_id} in {table.name} is at the server, but does not belong to it: detach it first")


async def _require_networks(tx: Tx, ctx: Context, machine_ports: Iterable[ForeignPort]) -> dict[str, Network]:
    """Return the networks of interfaces, by id. Raises Conflict for one that the project cannot use."""
    networks_by_id = await networks.list_by_id(tx, sorted({port.network_id for port in machine_ports}))
    for port in machine_ports:
        network = networks_by_id.get(port.network_id)
        if network is None or not (network.external or network.project_id == ctx.place.project_id):
            raise Conflict(
                f"Interface {port.cloud_id} is in a network that the project does not have: adopt the network first"
            )
    return networks_by_id


def _count_demand(flavor: Flavor, machine: ForeignMachine, networks_by_id: Mapping[str, Network]) -> dict[str, int]:
    disks = [VolumeDemand(volume.size, volume.type_name) for volume in machine.volumes]
    external = sum(networks_by_id[port.network_id].external for port in machine.ports)
    return quota_checks.count_demand_by_quota(ResourceDemand(flavor=flavor, disks=disks, external_ips=external))


def _new_instance(ctx: Context, machine: ForeignMachine, flavor: Flavor) -> Instance:
    now, status = ctx.now(), Status(machine.status)
    return Instance(
        id=machine.id,
        **asdict(ctx.place),
        name=display_name(machine),
        flavor_id=flavor.id,
        status=status.value,
        vm_state=VM_STATES[status],
        created_at=now,
        changed_at=now,
    )


def _list_needed_groups(
    machine: ForeignMachine, groups: Mapping[str, ForeignSecurityGroup]
) -> list[ForeignSecurityGroup]:
    """Return the groups of a machine's interfaces and those that their rules name. Raises Conflict."""
    needed: dict[str, ForeignSecurityGroup] = {}
    pending = [group_id for port in machine.ports for group_id in port.group_ids]
    while pending:
        group_id = pending.pop()
        if group_id in needed:
            continue
        if group_id not in groups:
            raise Conflict(f"Security group or address group {group_id} is not of the project: use another one first")
        needed[group_id] = groups[group_id]
        pending += [rule.remote_group_id for rule in groups[group_id].rules if rule.remote_group_id]
    return list(needed.values())


async def _add_groups(tx: Tx, ctx: Context, groups: Sequence[ForeignSecurityGroup]) -> list[SecurityGroupSpec]:
    """Save the groups that have no record yet, and return them. Raises Conflict for one of another project."""
    records = await security_groups.list_for_use(tx, [group.id for group in groups])
    for record in records:
        if record.place != ctx.place:
            raise Conflict(f"Security group {record.name} is of another project already: use another one first")
    known = {record.id for record in records}
    new = [(group, _plan_rules(ctx, group)) for group in groups if group.id not in known]
    await check_quotas(tx, ctx, {"firewall_count": len(new)})
    now = ctx.now()
    for group, _ in new:
        record = SecurityGroup(
            id=group.id,
            **asdict(ctx.place),
            name=display_name(group),
            description=group.description[: limits.DESCRIPTION.value],
            created_at=now,
            updated_at=now,
        )
        await security_groups.add(tx, record)
    for _, rules in new:
        await security_groups.RULES.add_all(tx, rules)
    return [
        SecurityGroupSpec(id=group.id, name=display_name(group), rules=[rule.as_new_rule for rule in rules])
        for group, rules in new
    ]


def _plan_rules(ctx: Context, group: ForeignSecurityGroup) -> list[SecurityGroupRule]:
    for rule in group.rules:
        if rule.protocol not in PROTOCOLS:
            raise Conflict(f"Security group {group.name} has a rule of protocol {rule.protocol}: remove it first")
    return plan_replaced_rules(group.id, group.rules, [], ctx.new_id, ctx.now())


async def _add_port(
    tx: Tx, ctx: Context, machine: ForeignMachine, port: ForeignPort, network: Network, position: int
) -> None:
    if await ports.find_by_mac_address(tx, port.mac_address):
        raise Conflict(f"Another interface has the MAC address {port.mac_address} of interface {port.cloud_id}")
    now = ctx.now()
    record = Port(
        id=port.id,
        **asdict(ctx.place),
        network_id=network.id,
        external=network.external,
        instance_id=machine.id,
        position=position,
        mac_address=port.mac_address,
        port_security_enabled=port.secured,
        allowed_address_pairs=port.pairs,
        created_at=now,
        updated_at=now,
    )
    await ports.add(tx, record)
    ranges = await subnets.list_by_network(tx, network.id)
    for ip in port.addresses:
        subnet = next((item for item in ranges if item.can_assign_address(ip)), None)
        if subnet is None:
            raise Conflict(f"Address {ip} is in no subnet of network {network.name}: add it to the catalogue")
        await addresses.allocate(tx, subnet, port_id=port.id, requested_ip=ip)
    await security_groups.add_to_port(tx, port.id, port.group_ids)


async def _add_volume(tx: Tx, ctx: Context, volume: ForeignVolume, status: VolumeStatus) -> None:
    if volume.type_name not in ctx.catalogue.volume_types_by_name(ctx.require_region()):
        raise Conflict(f"The region has no volume type {volume.type_name}: {CATALOGUE_HINT}")
    if not volume.is_usable:
        raise Conflict(f"Volume {volume.cloud_id} is busy or has failed: wait, or repair it in the cloud first")
    now = ctx.now()
    record = Volume(
        id=volume.id,
        **asdict(ctx.place),
        name=display_name(volume),
        size=volume.size,
        type_name=volume.type_name,
        status=status.value,
        bootable=volume.bootable,
        created_at=now,
        updated_at=now,
    )
    await volumes.add(tx, record)
    await _write_audit_entry(tx, ctx, "volume", volume)


def _new_attachment(ctx: Context, machine: ForeignMachine, volume: ForeignVolume) -> Attachment:
    return Attachment(
        volume_id=volume.id,
        id=ctx.new_id(),
        instance_id=machine.id,
        device=volume.device,
        boot_index=0 if volume.id == machine.boot_volume_id else -1,
        delete_on_termination=volume.id in machine.volumes_deleted_with_it,
        attached_at=ctx.now(),
    )


async def _write_audit_entry(tx: Tx, ctx: Context, api_group: str, resource: ForeignResource) -> None:
    data = {"name": display_name(resource), "cloud_id": resource.cloud_id}
    await write_audit_entry(tx, ctx, AuditEntry(api_group, "create", resource.id, data))
