"""Ports, known in OpenStack by their names, and how they are attached to servers."""

from collections.abc import Mapping
from functools import partial

from pileus.drivers.openstack.catalogue_names import CatalogueNames
from pileus.drivers.openstack.cloud import CONFLICT, NOT_FOUND, Json, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.openstack.networks import changed_fields
from pileus.drivers.openstack.security_groups import NeutronSecurityGroups
from pileus.drivers.openstack.servers import OpenstackServers
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.network import NicSpec


class NeutronPorts:
    """Creates ports with the addresses that Pileus has chosen.

    The description of a port names its machine, so that the ports of a machine are found without the server.
    """

    def __init__(  # the parts of the driver that it uses
        self,
        cloud: OpenstackCloud,
        waits: Waits,
        names: CatalogueNames,
        *,
        servers: OpenstackServers,
        groups: NeutronSecurityGroups,
    ) -> None:
        self._cloud, self._waits, self._names = cloud, waits, names
        self._servers, self._groups = servers, groups

    async def ensure_interface(self, machine_id: str, nic: NicSpec) -> None:
        """Attach a port to a machine, or update the attached one."""
        server = await self._servers.require(machine_id)
        port = await self.ensure_port(nic, machine_id)
        if port["device_id"] != server["id"]:
            await self.attach(await self._servers.wait_until_idle(server), port)

    async def ensure_no_interface(self, machine_id: str, port_id: str) -> None:
        """Detach a port from a machine, and delete it."""
        port = await self.find(port_id)
        if port is None:
            return
        server = await self._servers.find(machine_id)
        if server is None and port["device_id"]:
            await self._servers.check_cells()
        if server is not None and port["device_id"] == server["id"]:
            await self._detach(await self._servers.wait_until_idle(server), port)
        await self._cloud.delete("network", f"/ports/{port['id']}")

    async def find(self, port_id: str) -> Json | None:
        """Return a port, or None."""
        ports = (await self._cloud.get("network", "/ports", name=engine_name(port_id)))["ports"]
        return next(iter(ports), None)

    async def ensure_port(self, nic: NicSpec, owner_id: str) -> Json:
        """Create a port, or update it, and return it. `owner_id` is its machine, router or floating IP."""
        options = await self._options(nic)
        existing = await self.find(nic.port_id)
        if existing is None:
            return await self._create(nic, owner_id, options)
        if changes := port_changes(existing, options):
            existing = (await self._cloud.put("network", f"/ports/{existing['id']}", {"port": changes}))["port"]
        return existing

    async def attach(self, server: Json, port: Json) -> None:
        """Attach a port to a server."""
        if port["device_id"] == server["id"]:
            return
        order = {"interfaceAttachment": {"port_id": port["id"]}}
        await self._cloud.post("compute", f"/servers/{server['id']}/os-interface", order)

    async def detach_others(self, server: Json, names: set[str]) -> None:
        """Detach all ports of a server but those of these names."""
        for port in (await self._cloud.get("network", "/ports", device_id=server["id"]))["ports"]:
            if port["name"] not in names:
                await self._detach(server, port)
                await self._cloud.delete("network", f"/ports/{port['id']}")

    async def delete_ports_of(self, owner_id: str) -> None:
        """Delete the ports of a machine or floating IP that does not exist any more."""
        for port in (await self._cloud.get("network", "/ports", description=engine_name(owner_id)))["ports"]:
            await self._cloud.delete("network", f"/ports/{port['id']}")

    async def _create(self, nic: NicSpec, owner_id: str, options: Json) -> Json:
        order = options | {
            "name": engine_name(nic.port_id),
            "description": engine_name(owner_id),
            "network_id": await self._names.require_network_id(nic.network_id),
        }
        if nic.mac_address:
            order["mac_address"] = nic.mac_address
        try:
            port: Json = (await self._cloud.post("network", "/ports", {"port": order}))["port"]
        except OpenstackError as error:
            # An earlier attempt may have created the port although its answer was lost.
            existing = await self.find(nic.port_id) if error.status_code == CONFLICT else None
            if existing is None:
                raise
            return existing
        return port

    async def _options(self, nic: NicSpec) -> Json:
        group_ids = nic.groups if nic.secured else []
        return port_options(nic, {id_: await self._groups.ensure_group_id(id_) for id_ in group_ids})

    async def _detach(self, server: Json, port: Json) -> None:
        try:
            await self._cloud.delete("compute", f"/servers/{server['id']}/os-interface/{port['id']}")
        except OpenstackError as error:
            if error.status_code != NOT_FOUND:
                raise
        read = partial(self._cloud.find, "network", f"/ports/{port['id']}")
        await self._waits.wait_until(read, _is_detached, f"the machine to release port {port['id']}")


def port_options(nic: NicSpec, group_ids: Mapping[str, str]) -> Json:
    """Return the fields of a port that can change. OpenStack allows pairs only for ports with security."""
    pairs = [{"ip_address": pair.ip_address, "mac_address": pair.mac_address or nic.mac_address} for pair in nic.pairs]
    return {
        "fixed_ips": [{"ip_address": address} for address in nic.addresses],
        "port_security_enabled": nic.secured,
        "allowed_address_pairs": pairs if nic.secured else [],
        "security_groups": [group_ids.get(id_, id_) for id_ in nic.groups] if nic.secured else [],
    }


def port_changes(existing: Json, options: Json) -> Json:
    """Return the fields to change; lists are compared without their order and without what OpenStack adds."""
    comparable = {
        "fixed_ips": [{"ip_address": address["ip_address"]} for address in existing["fixed_ips"]],
        "port_security_enabled": existing["port_security_enabled"],
        "allowed_address_pairs": existing["allowed_address_pairs"],
        "security_groups": existing["security_groups"],
    }
    changes = changed_fields(
        {name: _sorted(value) for name, value in comparable.items()},
        {name: _sorted(value) for name, value in options.items()},
    )
    return {name: options[name] for name in changes}


def _sorted(value: object) -> object:
    return sorted(value, key=str) if isinstance(value, list) else value


def _is_detached(answer: Json | None) -> bool:
    return answer is None or not answer["port"]["device_id"]
