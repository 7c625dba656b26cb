"""Addresses: the next one, assignable ones, and the choice of the subnet."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from pileus.domain.errors import Conflict, Invalid, NoCapacity
from pileus.domain.network.networks import (
    Network,
    Subnet,
    canonical_ip,
    choose_emptiest_subnets,
    first_candidate_address,
    has_subnet_choice,
    next_candidate_addresses,
    next_free_address,
)
from tests.domain.builders import NOW, TASK, a_subnet

SMALL = ["10.0.0.0/30", "10.0.0.0/29", "10.9.8.16/28", "192.168.7.0/27", "2001:db8::/125", "2001:db8::10/124"]


@st.composite
def small_subnets(draw: st.DrawFn) -> Subnet:
    """A small subnet with a gateway inside or outside of it, or without one."""
    network = ip_network(draw(st.sampled_from(SMALL)))
    hosts = [str(address) for address in network][1:-1]
    gateway = draw(st.sampled_from([None, *hosts, "172.16.0.1"]))
    return a_subnet(str(network), gateway_ip=gateway)


def assignable_addresses(subnet: Subnet) -> list[str]:
    """Return the assignable addresses of a subnet, by enumeration."""
    return [text for text in map(str, [*ip_network(subnet.cidr)][1:-1]) if text != subnet.gateway_ip]


@given(small_subnets(), st.data())
def test_next_address_is_the_first_free_one_after_the_last_wrapping_around(subnet: Subnet, data: st.DataObject) -> None:
    all_addresses = [str(address) for address in ip_network(subnet.cidr)]
    used = data.draw(st.sets(st.sampled_from(all_addresses)))
    after = data.draw(st.none() | st.sampled_from(all_addresses))

    next_address = next_free_address(subnet, used, after)

    free = [host for host in assignable_addresses(subnet) if host not in used]
    later = [host for host in free if after is None or int(ip_address(host)) > int(ip_address(after))]
    assert next_address == (later[0] if later else free[0] if free else None)


@given(small_subnets(), st.data())
def test_every_address_is_assigned_once(subnet: Subnet, data: st.DataObject) -> None:
    used: set[str] = set()
    last: str | None = None
    while (address := next_free_address(subnet, used, last)) is not None:
        assert address not in used
        assert subnet.can_assign_address(address)
        used.add(address)
        last = data.draw(st.sampled_from([address, None]))

    assert used == set(assignable_addresses(subnet))
    assert len(used) == subnet.assignable_address_count


@given(small_subnets())
def test_can_assign_exactly_the_assignable_addresses(subnet: Subnet) -> None:
    assignable = {text for text in map(str, ip_network(subnet.cidr)) if subnet.can_assign_address(text)}

    assert assignable == set(assignable_addresses(subnet))


@pytest.mark.parametrize(
    ("cidr", "gateway", "total"),
    [
        ("10.0.0.0/24", None, 254),
        ("10.0.0.0/24", "10.0.0.1", 253),
        ("10.0.0.0/24", "10.0.1.1", 254),
        ("198.18.0.0/16", "198.18.0.1", 65533),
        ("10.0.0.0/31", None, 0),
        ("10.0.0.0/32", None, 0),
        ("2001:db8::/64", "2001:db8::1", 2**64 - 3),
        ("2001:db8::/128", None, 0),
    ],
)
def test_total_addresses_of_a_subnet(cidr: str, gateway: str | None, total: int) -> None:
    assert a_subnet(cidr, gateway_ip=gateway).assignable_address_count == total


@pytest.mark.parametrize("cidr", ["10.0.0.0/31", "10.0.0.0/32", "2001:db8::/127", "2001:db8::/128"])
@pytest.mark.parametrize("after", [None, "10.0.0.0", "10.0.0.1", "2001:db8::"])
def test_subnet_without_hosts_has_no_free_address(cidr: str, after: str | None) -> None:
    assert next_free_address(a_subnet(cidr), set(), after) is None


@pytest.mark.parametrize(
    ("after", "address"),
    [
        (None, "2001:db8::2"),
        ("2001:db8::1", "2001:db8::2"),
        ("2001:db8::ffff", "2001:db8::1:0"),
        ("2001:db8::ffff:ffff:ffff:fffe", "2001:db8::2"),
        ("2001:db8::ffff:ffff:ffff:ffff", "2001:db8::2"),
        ("2001:db9::", "2001:db8::2"),
        ("10.0.0.1", "2001:db8::2"),
    ],
)
def test_next_address_of_a_large_subnet_is_fast(after: str | None, address: str) -> None:
    assert next_free_address(a_subnet("2001:db8::/64", gateway_ip="2001:db8::1"), set(), after) == address


def test_search_in_a_large_subnet_ends_after_the_used_addresses() -> None:
    used = {f"2001:db8::{number:x}" for number in range(1, 1001)}

    assert next_free_address(a_subnet("2001:db8::/64"), used) == "2001:db8::3e9"


@pytest.mark.parametrize("ip", ["10.0.0.0", "10.0.0.1", "10.0.0.7", "10.0.0.8", "2001:db8::2"])
def test_reserved_and_foreign_addresses_cannot_be_assigned(ip: str) -> None:
    assert not a_subnet("10.0.0.0/29", gateway_ip="10.0.0.1").can_assign_address(ip)


def test_addresses_are_compared_in_canonical_form() -> None:
    subnet = a_subnet("2001:db8::/64", gateway_ip="2001:DB8:0:0::1")

    assert not subnet.can_assign_address("2001:db8::1")
    assert subnet.can_assign_address("2001:DB8:0000::0002")
    assert next_free_address(subnet, set()) == "2001:db8::2"
    assert canonical_ip("2001:DB8:0000::0002") == "2001:db8::2"


@pytest.mark.parametrize("text", ["", "nonsense", "10.0.0.256", "10.0.0.1/24"])
def test_invalid_address_raises_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        canonical_ip(text)
    with pytest.raises(ValueError, match="does not appear to be"):
        a_subnet().can_assign_address(text)


@given(small_subnets(), st.data())
def test_next_candidates_wrap_around_and_skip_reserved_addresses(subnet: Subnet, data: st.DataObject) -> None:
    assignable = assignable_addresses(subnet)
    after = first_candidate_address(subnet, data.draw(st.text(max_size=3)))
    count = data.draw(st.integers(1, 40))

    candidates = next_candidate_addresses(subnet, after, count)

    later = [host for host in assignable if int(ip_address(host)) > int(ip_address(after))]
    assert candidates == [*later, *(host for host in assignable if host not in later)][:count]


FOUR, FOUR_TOO, SIX = a_subnet("10.0.0.0/24"), a_subnet("10.0.1.0/25"), a_subnet("2001:db8::/64")


@pytest.mark.parametrize(
    ("used", "family", "chosen"),
    [
        ([0, 0, 0], "ipv4", [FOUR]),
        ([0, 0, 0], None, [FOUR]),
        ([127, 0, 0], "ipv4", [FOUR]),
        ([128, 0, 0], "ipv4", [FOUR]),
        ([129, 0, 0], "ipv4", [FOUR_TOO]),
        ([254, 125, 0], "ipv4", [FOUR_TOO]),
        ([0, 0, 10], "ipv6", [SIX]),
        ([200, 0, 10], "dual", [FOUR_TOO, SIX]),
    ],
)
def test_subnet_with_the_most_free_addresses_is_chosen(
    used: list[int], family: str | None, chosen: list[Subnet]
) -> None:
    assert choose_emptiest_subnets(zip([FOUR, FOUR_TOO, SIX], used, strict=True), family) == chosen


@pytest.mark.parametrize("family", ["ipv4", "dual"])
def test_full_subnets_have_no_capacity(family: str) -> None:
    with pytest.raises(NoCapacity, match="no free IPv4"):
        choose_emptiest_subnets([(FOUR, 254), (FOUR_TOO, 126), (SIX, 0)], family)


@pytest.mark.parametrize("family", ["ipv6", "dual"])
def test_missing_ip_family_is_rejected(family: str) -> None:
    with pytest.raises(Invalid) as refused:
        choose_emptiest_subnets([(FOUR, 0)], family)

    assert refused.value.fields == {"ip_family": ["The network has no IPv6 subnet"]}


@pytest.mark.parametrize(
    ("subnets", "family", "choice"),
    [
        ([FOUR, SIX], "ipv4", False),
        ([FOUR, SIX], "dual", False),
        ([FOUR, FOUR_TOO, SIX], "ipv4", True),
        ([FOUR, FOUR_TOO, SIX], None, True),
        ([FOUR, FOUR_TOO, SIX], "dual", True),
        ([FOUR, FOUR_TOO, SIX], "ipv6", False),
        ([], "ipv4", False),
    ],
)
def test_has_choice_if_a_version_has_several_subnets(
    subnets: list[Subnet], family: str | None, *, choice: bool
) -> None:
    assert has_subnet_choice(subnets, family) is choice


def test_locked_network_or_subnet_cannot_be_locked_again() -> None:
    network = Network(id="n-1", region_id=1, name="inside", created_at=NOW, updated_at=NOW)

    assert network.require_unlocked() is network
    assert FOUR.require_unlocked() is FOUR
    with pytest.raises(Conflict, match=f"`n-1` currently locked by running task `{TASK}`"):
        replace(network, task_id=TASK).require_unlocked()
    with pytest.raises(Conflict, match=f"`{FOUR.id}` currently locked by running task `{TASK}`"):
        replace(FOUR, task_id=TASK).require_unlocked()
