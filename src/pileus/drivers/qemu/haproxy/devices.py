"""The ports of a load balancer: that of its address, and one in each further subnet that has members."""

from collections.abc import Iterator, Sequence

from pileus.drivers.protocols.load_balancers import LoadBalancerSpec
from pileus.drivers.protocols.network import NicSpec, SubnetSpec
from pileus.drivers.qemu.namespaces.devices import find_subnet


def used_nics(spec: LoadBalancerSpec, subnets: Sequence[SubnetSpec]) -> list[NicSpec]:
    """Return the ports that the load balancer uses: that of its address, and one for each further subnet."""
    nics, served_ids = [spec.vip], set(_subnet_ids(spec.vip, subnets))
    for nic in spec.machines:
        subnet_ids = set(_subnet_ids(nic, subnets))
        if subnet_ids - served_ids:
            nics.append(nic)
            served_ids |= subnet_ids
    return nics


def _subnet_ids(nic: NicSpec, subnets: Sequence[SubnetSpec]) -> Iterator[str]:
    subnets_of_addresses = (find_subnet(nic, address, subnets) for address in nic.addresses)
    yield from (subnet.id for subnet in subnets_of_addresses if subnet)
