"""Compares what OpenStack has with what it should have, with one list of each kind."""

from collections.abc import Mapping, Sequence

from pileus.drivers.openstack.cloud import Json, OpenstackCloud
from pileus.drivers.openstack.cloud_lists import CloudList, list_items
from pileus.drivers.openstack.names import MACHINE_TAG, PREFIX, engine_name, machine_id_of
from pileus.drivers.openstack.ports import port_changes, port_options
from pileus.drivers.openstack.security_groups import is_as_intended
from pileus.drivers.openstack.servers import is_idle
from pileus.drivers.protocols.network import FloatingIPSpec, NicSpec, SecurityGroupSpec

SERVERS = CloudList("compute", "/servers/detail", "servers")
GROUPS = CloudList("network", "/security-groups", "security_groups")
PORTS = CloudList("network", "/ports", "ports")
FLOATING_IPS = CloudList("network", "/floatingips", "floatingips")
LARGE_PAGE = "1000"
"""The most servers that OpenStack puts in a page by default."""
GONE = frozenset({"ERROR", "DELETED", "SOFT_DELETED"})
"""Statuses of servers whose ports are not compared."""


class OpenstackComparison:
    """Finds security groups, ports and floating IPs that somebody has changed."""

    def __init__(self, cloud: OpenstackCloud) -> None:
        self._cloud = cloud

    async def list_changed_security_groups(self, groups: Sequence[SecurityGroupSpec]) -> set[str]:
        """Return the groups that exist with other rules."""
        existing = await self._list_groups()
        engine_ids = {id_: group["id"] for id_, group in existing.items()}
        return {
            group.id
            for group in groups
            if group.id in existing and not is_as_intended(existing[group.id], group, engine_ids)
        }

    async def list_changed_interfaces(self, interfaces: Mapping[str, tuple[str, NicSpec]]) -> set[str]:
        """Return the ports that are not at their servers, or have other fields."""
        servers = await self._list_servers()
        ports = {port["name"]: port for port in await list_items(self._cloud, PORTS, {})}
        group_ids = {id_: group["id"] for id_, group in (await self._list_groups()).items()}
        return {
            port_id
            for port_id, (machine_id, nic) in interfaces.items()
            if machine_id in servers
            and not _is_port_as_intended(ports.get(engine_name(port_id)), servers[machine_id], nic, group_ids)
        }

    async def list_changed_floating_ips(self, floating_ips: Sequence[FloatingIPSpec]) -> set[str]:
        """Return the floating IPs that are assigned to another port, or to none."""
        existing = {item["description"]: item for item in await list_items(self._cloud, FLOATING_IPS, {})}
        port_names = {port["id"]: port["name"] for port in await list_items(self._cloud, PORTS, {})}
        changed = set[str]()
        for floating_ip in floating_ips:
            item = existing.get(engine_name(floating_ip.id))
            intended = (engine_name(floating_ip.port_id), floating_ip.fixed_ip_address)
            if item is not None and (port_names.get(item["port_id"]), item["fixed_ip_address"]) != intended:
                changed.add(floating_ip.id)
        return changed

    async def _list_servers(self) -> dict[str | None, str]:
        """Return the ids of the servers that are idle, by machine."""
        servers = await list_items(self._cloud, SERVERS, {"tags": MACHINE_TAG, "limit": LARGE_PAGE})
        return {machine_id_of(item): item["id"] for item in servers if is_idle(item) and item["status"] not in GONE}

    async def _list_groups(self) -> dict[str, Json]:
        items = await list_items(self._cloud, GROUPS, {})
        return {item["name"].removeprefix(PREFIX): item for item in items if item["name"].startswith(PREFIX)}


def _is_port_as_intended(port: Json | None, server_id: str, nic: NicSpec, group_ids: Mapping[str, str]) -> bool:
    return port is not None and port["device_id"] == server_id and not port_changes(port, port_options(nic, group_ids))
