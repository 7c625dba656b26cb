"""Attach and detach interfaces, and read the records afterwards."""

from typing import Any

import httpx

from pileus.domain.compute.instances import Instance
from pileus.domain.network.ddos_profiles import DdosProfile
from pileus.domain.network.ports import Port
from pileus.store.network import ddos_profiles, ports
from tests.builders import list_addresses, list_ports
from tests.simulated_cloud import count_machines_volumes_and_nics
from tests.tenants import REGION, Tenant

UNKNOWN = "00000000-0000-4000-8000-000000000000"
TEMPLATE = {"profile_template": 1, "fields": [{"base_field": 11, "field_value": [22]}]}


async def attach(tenant: Tenant, instance: Instance, **body: Any) -> httpx.Response:
    """Attach an interface."""
    return await tenant.api.post(tenant.path("instances", instance.id, "attach_interface"), json=body)


async def detach(tenant: Tenant, instance: Instance, port: Port, ip_address: str | None = None) -> httpx.Response:
    """Detach a port, given by `ip_address` or its first address."""
    address = ip_address or (await list_addresses(tenant, port))[0]
    path = tenant.path("instances", instance.id, "detach_interface")
    return await tenant.api.post(path, json={"port_id": port.id, "ip_address": address})


async def get_newest_port(tenant: Tenant, instance: Instance) -> Port:
    """Read the port that was attached last."""
    return (await list_ports(tenant, instance))[-1]


async def find_port(tenant: Tenant, port: Port) -> Port | None:
    """Read a port's record, or None."""
    async with tenant.running.app_state.db.read() as tx:
        return await ports.find(tx, port.id)


async def find_ddos_profile(tenant: Tenant, ip_address: str) -> DdosProfile | None:
    """Read the DDoS profile of an address."""
    async with tenant.running.app_state.db.read() as tx:
        return await ddos_profiles.find_by_address(tx, REGION, ip_address)


async def count_driver_interfaces(tenant: Tenant) -> int:
    """Count the interfaces that the driver has attached."""
    return (await count_machines_volumes_and_nics(tenant.running.app_state.db))[2]
