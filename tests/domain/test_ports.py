"""Ports: address pairs, security groups, locks and positions."""

from typing import Any

import pytest

from pileus.domain.compute.instance_orders import InterfaceType, NewInterface
from pileus.domain.errors import Conflict, Invalid, NotFound
from pileus.domain.network.floating_ips import FloatingIP
from pileus.domain.network.interfaces import (
    check_port_has_address,
    choose_public_address,
    next_interface_position,
    require_attachable_interface,
    require_port_to_detach,
)
from pileus.domain.network.networks import Network
from pileus.domain.network.ports import AddressPair, AssignedAddress, Port
from pileus.domain.network.security_groups import (
    SecurityGroup,
    plan_group_additions,
    plan_group_removals,
    require_single_group,
)
from tests.domain.builders import NOW, OWN, TASK, an_instance

MAC = "00:16:3e:00:00:01"
STAMPS: dict[str, Any] = {**OWN, "updated_at": NOW}


def a_port(port_id: str = "p-1", **changes: Any) -> Port:
    return Port(**{"id": port_id, "network_id": "n-1", "mac_address": MAC, **STAMPS, **changes})


def a_group(**changes: Any) -> SecurityGroup:
    return SecurityGroup(**{"id": "s-1", "name": "web", **STAMPS, **changes})


def test_address_pairs_are_canonical_with_the_ports_mac_by_default() -> None:
    pairs = [AddressPair("2001:DB8:0::1"), AddressPair("10.1.0.0/16", "00:16:3e:00:00:02")]

    after = a_port().with_address_pairs(pairs, NOW + 1)

    assert after.allowed_address_pairs == [
        AddressPair("2001:db8::1", MAC),
        AddressPair("10.1.0.0/16", "00:16:3e:00:00:02"),
    ]
    assert after.updated_at == NOW + 1


@pytest.mark.parametrize("pairs", [["10.0.0.300"], ["10.0.0.1/16"], ["name"], ["10.0.0.1", "10.0.0.1"]])
def test_invalid_and_duplicate_address_pairs_are_rejected(pairs: list[str]) -> None:
    with pytest.raises(Invalid):
        a_port().with_address_pairs([AddressPair(ip) for ip in pairs], NOW)


def test_locked_port_or_floating_ip_cannot_be_locked_again() -> None:
    port = a_port().locked(TASK)
    floating = FloatingIP(id="f-1", floating_ip_address="198.18.0.9", **STAMPS).locked(TASK)

    assert (port.task_id, floating.task_id) == (TASK, TASK)
    with pytest.raises(Conflict, match=f"`p-1` currently locked by running task `{TASK}`"):
        port.locked("another")
    with pytest.raises(Conflict, match=f"`f-1` currently locked by running task `{TASK}`"):
        floating.locked("another")


PORTS = [a_port("p-1"), a_port("p-2"), a_port("p-3", port_security_enabled=False)]


def by_id(pairs: list[tuple[Port, str]]) -> list[tuple[str, str]]:
    return [(port.id, name) for port, name in pairs]


def test_groups_are_added_to_ports_with_port_security() -> None:
    assert by_id(plan_group_additions(PORTS, [(None, ["web"])])) == [("p-1", "web"), ("p-2", "web")]
    assert by_id(plan_group_additions(PORTS, [("p-2", ["web", "ssh"])])) == [("p-2", "web"), ("p-2", "ssh")]
    assert plan_group_additions(PORTS, [("p-3", [])]) == []
    for requests in ([("p-3", ["web"])], [("nobody", ["web"])]):
        with pytest.raises((Conflict, NotFound)):
            plan_group_additions(PORTS, requests)
    with pytest.raises(Conflict, match="any port of the instance"):
        plan_group_additions(PORTS[2:], [(None, ["web"])])


def test_groups_are_removed_from_any_port() -> None:
    assert by_id(plan_group_removals(PORTS, [(None, ["web"])])) == [("p-1", "web"), ("p-2", "web"), ("p-3", "web")]
    with pytest.raises(NotFound, match="Port nobody could not be found"):
        plan_group_removals(PORTS, [("nobody", ["web"])])


def test_single_group_requires_a_unique_unlocked_group() -> None:
    assert require_single_group("web", [a_group()]) == a_group()
    with pytest.raises(NotFound, match="Security group web could not be found"):
        require_single_group("web", [])
    with pytest.raises(Conflict, match="There are 2 security groups named web"):
        require_single_group("web", [a_group(), a_group(id="s-2")])
    with pytest.raises(Conflict, match="Resource `s-1` is already locked by another task"):
        require_single_group("web", [a_group(task_id=TASK)])


def test_next_position_is_after_the_last_interface() -> None:
    assert next_interface_position([]) == 0
    assert next_interface_position([a_port(position=4), a_port(position=1)]) == 5


def test_port_to_detach_is_one_of_the_instances_with_that_address() -> None:
    port, lines = a_port("p-2"), [AssignedAddress(subnet_id="s", ip="2001:db8::1", port_id="p-2")]

    assert require_port_to_detach(PORTS, "p-2") == port
    check_port_has_address(port, lines, "2001:DB8:0::1")
    with pytest.raises(NotFound, match="Port p-9"):
        require_port_to_detach(PORTS, "p-9")
    for wrong in ("2001:db8::2", "nowhere"):
        with pytest.raises(Invalid):
            check_port_has_address(port, lines, wrong)


def test_only_public_addresses_are_protected_ipv4_first() -> None:
    network = Network(id="n-1", region_id=1, name="pub_net", external=True, created_at=NOW, updated_at=NOW)
    private = Network(id="n-2", region_id=1, name="inside", created_at=NOW, updated_at=NOW)

    assert choose_public_address(network, ["2001:db8::1", "198.18.0.9"]) == "198.18.0.9"
    assert choose_public_address(network, ["2001:db8::1"]) == "2001:db8::1"
    for other in (private, None):
        with pytest.raises(Invalid):
            choose_public_address(other, ["10.0.0.9"])


@pytest.mark.parametrize("kind", ["baremetal", "gpu"])
def test_bare_metal_can_attach_private_interfaces_only(kind: str) -> None:
    external, private = NewInterface(type=InterfaceType.EXTERNAL), NewInterface(type=InterfaceType.ANY_SUBNET)

    assert require_attachable_interface(an_instance(kind=kind), private) is private
    assert require_attachable_interface(an_instance(), external) is external
    with pytest.raises(Invalid):
        require_attachable_interface(an_instance(kind=kind), external)
