"""The addresses from which the cloud speaks to the world."""

from ipaddress import ip_address, ip_network

from tests.builders import an_instance, list_addresses, list_ports
from tests.tenants import Tenant


async def test_every_public_address_is_in_one_of_the_ranges(tenant: Tenant) -> None:
    (port,) = await list_ports(tenant, await an_instance(tenant))

    ranges = (await tenant.sdk.cloud.ip_ranges.list()).ranges

    for address in await list_addresses(tenant, port):
        assert any(ip_address(address) in ip_network(ip_range) for ip_range in ranges)
