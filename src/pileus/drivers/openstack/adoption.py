"""Resources that others have created in the project of Pileus, and how they get the names of Pileus."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pileus.domain.catalogue import derive_external_network_id
from pileus.domain.network.networks import Route
from pileus.domain.network.ports import AddressPair
from pileus.domain.network.security_rules import NewRule
from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.cloud_lists import CloudList, list_items
from pileus.drivers.openstack.names import MACHINE_TAG, PREFIX, engine_name, machine_id_of
from pileus.drivers.openstack.ports import NeutronPorts
from pileus.drivers.openstack.security_groups import PILEUS_PROTOCOLS, NeutronSecurityGroups
from pileus.drivers.openstack.servers import TASK_STATE
from pileus.drivers.openstack.volumes import IDLE, is_migration_copy
from pileus.drivers.protocols.adoption import (
    ForeignMachine,
    ForeignNetwork,
    ForeignPort,
    ForeignResource,
    ForeignResources,
    ForeignSecurityGroup,
    ForeignSubnet,
    ForeignVolume,
    OtherResource,
)
from pileus.drivers.protocols.network import SecurityGroupSpec

ROOT_DEVICE = "OS-EXT-SRV-ATTR:root_device_name"
MACHINE_PORT = "compute:"
"""How the owner of a machine's port begins."""
BUSY = "BUSY"
"""The status of a machine while something happens to it."""
OTHER_KINDS = {
    "router": CloudList("network", "/routers", "routers"),
    "floating_ip": CloudList("network", "/floatingips", "floatingips"),
    "snapshot": CloudList("block-storage", "/snapshots", "snapshots"),
}
"""Kinds that are reported, and not adopted."""


class OpenstackAdoption:
    """Finds foreign resources, and marks them."""

    def __init__(self, cloud: OpenstackCloud, ports: NeutronPorts, groups: NeutronSecurityGroups) -> None:
        self._cloud, self._ports, self._groups = cloud, ports, groups

    async def list_foreign_resources(self, region_id: int, derive_id: Callable[[str], str]) -> ForeignResources:
        """Return what Pileus has not created in its project."""
        own = {"project_id": await self._cloud.find_project_id()}
        networks = await self._list("network", "/networks", "networks")
        lists = _Lists(
            derive_id,
            network_ids={item["id"]: _network_id(item, region_id, derive_id) for item in networks},
            subnets=await self._list("network", "/subnets", "subnets", **own),
            ports=await self._list("network", "/ports", "ports", **own),
            groups=await self._list("network", "/security-groups", "security_groups", **own),
            volumes=await self._list("block-storage", "/volumes/detail", "volumes"),
        )
        servers = await self._list("compute", "/servers/detail", "servers")
        others = [
            OtherResource(kind=kind, **lists.identifying_fields(item))
            for kind, place in OTHER_KINDS.items()
            for item in await list_items(self._cloud, place, own if place.service == "network" else {})
            if not _is_created_by_pileus(item, derive_id)
        ]
        own_networks = [
            item for item in networks if item["project_id"] == own["project_id"] and not item["router:external"]
        ]
        return ForeignResources(
            networks=[lists.network(item) for item in own_networks if not _is_created_by_pileus(item, derive_id)],
            volumes=[volume for volume in lists.volumes.values() if volume.id == derive_id(volume.cloud_id)],
            machines=[lists.machine(server) for server in servers if not _is_machine_of_pileus(server, derive_id)],
            groups={group.id: group for group in lists.security_groups()},
            others=others,
        )

    async def adopt_network(self, network: ForeignNetwork) -> None:
        """Name a network and its subnets."""
        for subnet in network.subnets:
            await self._name("network", "subnets", "subnet", subnet)
        await self._name("network", "networks", "network", network)

    async def adopt_volume(self, volume: ForeignVolume) -> None:
        """Name a volume."""
        await self._name("block-storage", "volumes", "volume", volume)

    async def adopt_machine(self, machine: ForeignMachine, groups: Sequence[SecurityGroupSpec]) -> None:
        """Name the volumes and ports of a server, and tag it last. Its ports get copies of their security groups."""
        for group in groups:
            await self._groups.ensure_security_group(group)
        for volume in machine.volumes:
            await self.adopt_volume(volume)
        for port in machine.ports:
            names = {"name": engine_name(port.id), "description": engine_name(machine.id)}
            await self._cloud.put("network", f"/ports/{port.cloud_id}", {"port": names})
            await self._ports.ensure_port(port.spec, machine.id)
        for tag in (engine_name(machine.id), MACHINE_TAG):
            await self._cloud.put("compute", f"/servers/{machine.cloud_id}/tags/{tag}", None)

    async def _name(self, service: str, path: str, key: str, resource: ForeignResource) -> None:
        """Give a resource its name of Pileus, and its own name as the description."""
        names = {"name": engine_name(resource.id), "description": resource.name}
        await self._cloud.put(service, f"/{path}/{resource.cloud_id}", {key: names})

    async def _list(self, service: str, path: str, key: str, **params: str) -> list[Json]:
        return await list_items(self._cloud, CloudList(service, path, key), params)


class _Lists:
    """What the project has, so that resources are converted with all that belongs to them."""

    def __init__(  # noqa: PLR0913  # a list of each kind
        self,
        derive_id: Callable[[str], str],
        *,
        network_ids: Mapping[str, str],
        subnets: Sequence[Json],
        ports: Sequence[Json],
        groups: Sequence[Json],
        volumes: Sequence[Json],
    ) -> None:
        self._derive_id, self._network_ids = derive_id, network_ids
        self._subnets, self._ports, self._groups = subnets, ports, groups
        self._group_ids = {item["id"]: self.identifying_fields(item)["id"] for item in groups}
        self.volumes = {item["id"]: self._volume(item) for item in volumes if not is_migration_copy(item)}

    def identifying_fields(self, item: Json) -> dict[str, str]:
        """Return the fields that all resources have. What Pileus has named has its own name as the description."""
        id_, name = _named_id(item), str(item.get("name") or item.get("floating_ip_address") or "")
        return {
            "id": id_ or self._derive_id(item["id"]),
            "cloud_id": item["id"],
            "name": str(item.get("description") or "") if id_ else name,
        }

    def network(self, item: Json) -> ForeignNetwork:
        """Convert a network with its subnets."""
        subnets = [self._subnet(subnet) for subnet in self._subnets if subnet["network_id"] == item["id"]]
        return ForeignNetwork(**self.identifying_fields(item), mtu=item["mtu"], subnets=subnets)

    def machine(self, server: Json) -> ForeignMachine:
        """Convert a server with its ports and volumes."""
        attached = {item["id"]: item for item in server["os-extended-volumes:volumes_attached"]}
        volumes = [volume for cloud_id, volume in self.volumes.items() if cloud_id in attached]
        boot = [volume.id for volume in volumes if volume.device == server.get(ROOT_DEVICE)]
        return ForeignMachine(
            id=machine_id_of(server) or self._derive_id(server["id"]),
            cloud_id=server["id"],
            name=server["name"],
            flavor_id=server["flavor"]["original_name"],
            status=BUSY if server.get(TASK_STATE) else server["status"],
            ports=[self._port(port) for port in self._ports_of(server)],
            volumes=sorted(volumes, key=lambda volume: volume.device),
            boot_volume_id=next(iter(boot), None),
            volumes_deleted_with_it=[
                volume.id for volume in volumes if attached[volume.cloud_id].get("delete_on_termination")
            ],
        )

    def security_groups(self) -> Iterator[ForeignSecurityGroup]:
        """Convert the security groups. An original comes after its copy, which has the same id, and may lack rules."""
        for item in sorted(self._groups, key=lambda item: _named_id(item) is None):
            rules = [self._rule(rule) for rule in item["security_group_rules"]]
            text = "" if _named_id(item) else str(item["description"] or "")
            yield ForeignSecurityGroup(**self.identifying_fields(item), description=text, rules=rules)

    def _subnet(self, item: Json) -> ForeignSubnet:
        return ForeignSubnet(
            **self.identifying_fields(item),
            cidr=item["cidr"],
            gateway_ip=item["gateway_ip"],
            enable_dhcp=item["enable_dhcp"],
            dns_nameservers=item["dns_nameservers"],
            host_routes=[Route(route["destination"], route["nexthop"]) for route in item["host_routes"]],
        )

    def _volume(self, item: Json) -> ForeignVolume:
        attachment: dict[str, Any] = next(iter(item["attachments"]), {})
        return ForeignVolume(
            **self.identifying_fields(item),
            size=item["size"],
            type_name=item["volume_type"] or "",
            is_usable=item["status"] in IDLE,
            bootable=item["bootable"] == "true",
            machine_id=attachment.get("server_id"),
            device=attachment.get("device") or "",
        )

    def _ports_of(self, server: Json) -> list[Json]:
        return [
            port
            for port in self._ports
            if port["device_id"] == server["id"] and port["device_owner"].startswith(MACHINE_PORT)
        ]

    def _port(self, item: Json) -> ForeignPort:
        pairs = [AddressPair(pair["ip_address"], pair["mac_address"]) for pair in item["allowed_address_pairs"]]
        return ForeignPort(
            id=_named_id(item) or self._derive_id(item["id"]),
            cloud_id=item["id"],
            name=item["name"],
            network_id=self._network_ids[item["network_id"]],
            mac_address=item["mac_address"],
            addresses=[address["ip_address"] for address in item["fixed_ips"]],
            secured=item["port_security_enabled"],
            pairs=pairs,
            group_ids=[self._group_ids.get(id_, id_) for id_ in item["security_groups"]],
        )

    def _rule(self, item: Json) -> NewRule:
        remote, protocol = item["remote_group_id"], item["protocol"]
        return NewRule(
            direction=item["direction"],
            ethertype=item["ethertype"],
            protocol=PILEUS_PROTOCOLS.get(protocol, protocol),
            port_range_min=item["port_range_min"],
            port_range_max=item["port_range_max"],
            # An address group, which Pileus has not, is not anywhere: an id that is no group is refused.
            remote_ip_prefix=item["remote_ip_prefix"],
            remote_group_id=self._group_ids.get(remote, remote) or item.get("remote_address_group_id"),
            description=item.get("description") or "",
        )


def _network_id(item: Json, region_id: int, derive_id: Callable[[str], str]) -> str:
    """Return the id of a network in Pileus; external ones are those of the catalogue."""
    if item["router:external"]:
        return derive_external_network_id(region_id, item["name"])
    return _named_id(item) or derive_id(item["id"])


def _named_id(item: Json) -> str | None:
    """Return the id that a name or, of a floating IP, a description of Pileus holds."""
    texts = (str(item.get(field) or "") for field in ("name", "description"))
    return next((text.removeprefix(PREFIX) for text in texts if text.startswith(PREFIX)), None)


def _is_created_by_pileus(item: Json, derive_id: Callable[[str], str]) -> bool:
    """Return whether Pileus has created a resource: what it has adopted has the id that is derived from the cloud's."""
    return _named_id(item) not in {None, derive_id(item["id"])}


def _is_machine_of_pileus(server: Json, derive_id: Callable[[str], str]) -> bool:
    return machine_id_of(server) not in {None, derive_id(server["id"])}
