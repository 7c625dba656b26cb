"""Allocation of addresses: each once, all of a subnet, and without reading big subnets whole."""

import asyncio
import random
from collections import Counter
from ipaddress import ip_network
from typing import Any

import pytest

from pileus.domain.account.projects import Project
from pileus.domain.errors import Conflict, Invalid, NoCapacity
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.networks import Network, Subnet
from pileus.domain.network.ports import AssignedAddress, Port, derive_mac_address
from pileus.store.account import clients, projects
from pileus.store.database import Database, Tx
from pileus.store.network import addresses, floating_ips, networks, ports, subnets
from tests.recorded_transactions import RecordedTx

OWN: dict[str, Any] = {"client_id": 1, "project_id": 1, "region_id": 1, "created_at": 0, "updated_at": 0}


def a_subnet(cidr: str) -> Subnet:
    version = 6 if ":" in cidr else 4
    return Subnet(**OWN, id=cidr, network_id="n-1", name="range", cidr=cidr, ip_version=version)


SMALL, WIDE, VAST = a_subnet("10.0.0.0/29"), a_subnet("10.1.0.0/20"), a_subnet("2001:db8::/64")


@pytest.fixture
async def network_db(db: Database) -> Database:
    """A database with a network whose subnets have no address in use."""

    async def write(tx: Tx) -> None:
        await clients.add(tx, 1, "one", 0)
        await projects.add(tx, Project(id=1, client_id=1, name="p-1", created_at=0))
        await networks.add(tx, Network(**OWN, id="n-1", name="inside"))
        for subnet in (SMALL, WIDE, VAST):
            await subnets.add(tx, subnet)

    await db.write(write)
    return db


async def allocate_for_new_port(
    db: Database, port_id: str, subnet: Subnet = SMALL, requested_ip: str | None = None
) -> str:
    """Add a port and allocate an address for it."""

    async def write(tx: Tx) -> str:
        await ports.add(tx, Port(**OWN, id=port_id, network_id="n-1", mac_address=derive_mac_address(port_id)))
        return await addresses.allocate(tx, subnet, port_id=port_id, requested_ip=requested_ip)

    return await db.write(write)


async def fill(db: Database, subnet: Subnet, ips: list[str]) -> None:
    async def write(tx: Tx) -> None:
        for ip in ips:
            await ports.add_address(tx, AssignedAddress(subnet_id=subnet.id, ip=ip))

    await db.write(write)


def assignable_addresses(subnet: Subnet) -> list[str]:
    """Return the assignable addresses of a subnet in a shuffled but fixed order."""
    all_ips = [str(host) for host in ip_network(subnet.cidr).hosts()]
    random.Random(7).shuffle(all_ips)  # noqa: S311  # no secret
    return all_ips


async def test_each_address_is_allocated_once_until_none_is_free(network_db: Database) -> None:
    allocated = [await allocate_for_new_port(network_db, f"p-{number}") for number in range(6)]

    assert sorted(allocated) == sorted(assignable_addresses(SMALL))
    with pytest.raises(NoCapacity, match=r"Subnet 10\.0\.0\.0/29 .* has no free address"):
        await allocate_for_new_port(network_db, "one-too-many")
    async with network_db.read() as tx:
        assert await ports.find(tx, "one-too-many") is None


async def test_concurrent_allocations_get_different_addresses(network_db: Database) -> None:
    allocated = await asyncio.gather(*(allocate_for_new_port(network_db, f"p-{number}", WIDE) for number in range(60)))

    assert len(set(allocated)) == 60
    assert all(WIDE.can_assign_address(ip) for ip in allocated)


async def test_concurrent_allocations_share_the_last_addresses(network_db: Database) -> None:
    answers = await asyncio.gather(
        *(allocate_for_new_port(network_db, f"p-{number}") for number in range(10)), return_exceptions=True
    )

    kinds = Counter(type(answer) for answer in answers)
    assert kinds == {str: 6, NoCapacity: 4}
    assert sorted(answer for answer in answers if isinstance(answer, str)) == sorted(assignable_addresses(SMALL))


async def test_the_address_of_a_deleted_port_is_allocated_again(network_db: Database) -> None:
    allocated = {f"p-{number}": await allocate_for_new_port(network_db, f"p-{number}") for number in range(6)}

    await network_db.write(lambda tx: ports.remove(tx, "p-3"))

    assert await allocate_for_new_port(network_db, "next") == allocated["p-3"]


async def test_the_address_of_a_deleted_floating_ip_is_allocated_again(network_db: Database) -> None:
    async def floating(tx: Tx) -> str:
        await floating_ips.add(tx, FloatingIP(**OWN, id="f-1", floating_ip_address=""))
        return await addresses.allocate(tx, SMALL, floating_ip_id="f-1")

    ip = await network_db.write(floating)
    with pytest.raises(Conflict, match=f"Address {ip} of subnet {SMALL.id} is in use"):
        await allocate_for_new_port(network_db, "early", requested_ip=ip)

    await network_db.write(lambda tx: floating_ips.remove(tx, "f-1"))

    assert await allocate_for_new_port(network_db, "late", requested_ip=ip) == ip


@pytest.mark.parametrize("ip", ["10.0.0.0", "10.0.0.7", "10.0.1.1", "2001:db8::1", "ten", ""])
async def test_an_address_that_the_subnet_cannot_assign_is_refused(network_db: Database, ip: str) -> None:
    with pytest.raises(Invalid) as refused:
        await allocate_for_new_port(network_db, "p-1", requested_ip=ip)

    assert list(refused.value.fields) == ["ip_address"]


async def test_spellings_of_an_address_are_the_same_address(network_db: Database) -> None:
    assert await allocate_for_new_port(network_db, "p-1", VAST, requested_ip="2001:DB8:0::00AA") == "2001:db8::aa"
    with pytest.raises(Conflict, match="is in use"):
        await allocate_for_new_port(network_db, "p-2", VAST, requested_ip="2001:db8:0:0::aa")


async def test_a_huge_subnet_allocates_at_once(network_db: Database) -> None:
    allocated = {await allocate_for_new_port(network_db, f"p-{number}", VAST) for number in range(20)}

    assert len(allocated) == 20
    assert all(VAST.can_assign_address(ip) for ip in allocated)


async def test_allocation_in_a_nearly_full_subnet_does_not_read_all_addresses(network_db: Database) -> None:
    all_ips = assignable_addresses(WIDE)
    await fill(network_db, WIDE, all_ips[: len(all_ips) * 92 // 100])

    async def write(tx: Tx) -> list[str]:
        recorded = RecordedTx(tx)
        allocated = [await addresses.allocate(recorded, WIDE) for _ in range(20)]
        assert all(" IN (" in statement for statement in recorded.statements if statement.startswith("SELECT"))
        return allocated

    assert len(set(await network_db.write(write))) == 20


async def test_the_last_free_addresses_of_a_big_subnet_are_found(network_db: Database) -> None:
    all_ips = assignable_addresses(WIDE)
    await fill(network_db, WIDE, all_ips[3:])

    allocated = await asyncio.gather(*(allocate_for_new_port(network_db, f"p-{number}", WIDE) for number in range(3)))

    assert sorted(allocated) == sorted(all_ips[:3])
    with pytest.raises(NoCapacity):
        await allocate_for_new_port(network_db, "one-too-many", WIDE)


async def test_addresses_in_use_are_counted_by_subnet(network_db: Database) -> None:
    for number in range(4):
        await allocate_for_new_port(network_db, f"p-{number}", (SMALL, SMALL, SMALL, VAST)[number])

    async with network_db.read() as tx:
        assert await addresses.count_in_use_by_subnet_of_network(tx, "n-1") == {SMALL.id: 3, WIDE.id: 0, VAST.id: 1}
