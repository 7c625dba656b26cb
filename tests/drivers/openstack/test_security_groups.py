"""Rules that OpenStack takes for equal are equal: it refuses to have both."""

from typing import Any

import pytest

from pileus.domain.network.security_rules import NewRule
from pileus.drivers.openstack.security_groups import is_as_intended
from pileus.drivers.protocols.network import SecurityGroupSpec

EXISTING = {
    "direction": "ingress",
    "ethertype": "IPv4",
    "protocol": "tcp",
    "port_range_min": None,
    "port_range_max": None,
    "remote_ip_prefix": None,
    "remote_group_id": None,
}


def is_equal(existing: dict[str, Any], intended: dict[str, Any]) -> bool:
    """Return whether an existing rule is the intended one."""
    rule = NewRule(**{"direction": "ingress", "protocol": "tcp"} | intended)
    group = {"description": "web", "security_group_rules": [EXISTING | existing]}
    return is_as_intended(group, SecurityGroupSpec(id="group", name="web", rules=[rule]), {})


@pytest.mark.parametrize(
    ("existing", "intended"),
    [
        ({"remote_ip_prefix": "0.0.0.0/0"}, {}),
        ({"remote_ip_prefix": "0.0.0.0/0"}, {"remote_ip_prefix": "0.0.0.0/0"}),
        ({"remote_ip_prefix": "::/0", "ethertype": "IPv6"}, {"ethertype": "IPv6"}),
        ({"protocol": "6"}, {}),
        ({"protocol": "ipip"}, {"protocol": "ipencap"}),
        ({"protocol": "ipv6-icmp", "ethertype": "IPv6"}, {"protocol": "icmp", "ethertype": "IPv6"}),
        ({"port_range_min": 1, "port_range_max": 65535}, {}),
    ],
)
def test_a_rule_that_openstack_takes_for_equal_is_as_intended(
    existing: dict[str, Any], intended: dict[str, Any]
) -> None:
    assert is_equal(existing, intended)


@pytest.mark.parametrize(
    ("existing", "intended"),
    [
        ({"remote_ip_prefix": "10.0.0.0/8"}, {}),
        ({"protocol": "17"}, {}),
        ({"protocol": "icmp", "port_range_min": 8}, {"protocol": "icmp"}),
        ({"port_range_min": 1, "port_range_max": 1024}, {}),
    ],
)
def test_a_rule_for_other_traffic_is_not_as_intended(existing: dict[str, Any], intended: dict[str, Any]) -> None:
    assert not is_equal(existing, intended)
