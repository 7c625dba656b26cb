"""When a load balancer is replaced by another one in Octavia, and what the other one keeps."""

import pytest
from msgspec.structs import replace

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.load_balancers import LoadBalancerSpec
from pileus.testing.conformance.test_load_balancers import new_listener
from tests.drivers.openstack.scripted_octavia import ScriptedOctavia, bare_load_balancer, ensure_in_slots

__all__ = ["bare_load_balancer"]
SMALL, LARGE = "lb1-1-2", "lb1-2-4"
IN_SLOTS = pytest.mark.parametrize("reads", [0, 3])


def only_balancer(octavia: ScriptedOctavia) -> tuple[str, str, str | None]:
    """Return the id of the load balancer that there is, its provider and its flavor."""
    (balancer,) = octavia.all_of("loadbalancers")
    return balancer["id"], balancer["provider"], balancer.get("flavor_id")


async def test_a_flavor_that_an_operator_adds_later_replaces_nothing(bare: LoadBalancerSpec) -> None:
    octavia = ScriptedOctavia()
    await ensure_in_slots(octavia, bare)
    first = only_balancer(octavia)
    octavia.flavors = {SMALL: "new"}
    for _ in range(2):
        await ensure_in_slots(octavia, bare)

    assert only_balancer(octavia) == first
    octavia.flavors |= {LARGE: "large"}
    await ensure_in_slots(octavia, replace(bare, flavor_name=LARGE))
    assert only_balancer(octavia)[2] == "large"


async def test_another_flavor_without_one_of_octavia_keeps_the_load_balancer(bare: LoadBalancerSpec) -> None:
    octavia = ScriptedOctavia()
    octavia.flavors = {SMALL: "small"}
    await ensure_in_slots(octavia, bare)
    first = only_balancer(octavia)
    await ensure_in_slots(octavia, replace(bare, flavor_name=LARGE))
    octavia.flavors |= {LARGE: "large"}
    await ensure_in_slots(octavia, replace(bare, flavor_name=LARGE))
    assert only_balancer(octavia) == first

    await ensure_in_slots(octavia, bare)
    await ensure_in_slots(octavia, replace(bare, flavor_name=LARGE))
    assert only_balancer(octavia)[2] == "large"


async def test_tags_of_others_stay(bare: LoadBalancerSpec) -> None:
    octavia = ScriptedOctavia()
    await ensure_in_slots(octavia, bare)
    (balancer,) = octavia.all_of("loadbalancers")
    balancer["tags"] = ["of the operator", *balancer["tags"]]
    await ensure_in_slots(octavia, replace(bare, machine_generation=2))

    (balancer,) = octavia.all_of("loadbalancers")
    assert balancer["tags"] == ["of the operator", "pileus-generation-2", f"pileus-flavor-{SMALL}"]


@IN_SLOTS
@pytest.mark.parametrize("setting", ["", "ovn"])
async def test_another_flavor_keeps_the_provider(bare: LoadBalancerSpec, reads: int, setting: str) -> None:
    octavia = ScriptedOctavia(reads)
    octavia.flavors = {SMALL: "small", LARGE: "large"}
    await ensure_in_slots(octavia, bare, provider="amphora")
    octavia.default_provider = "ovn"
    await ensure_in_slots(octavia, replace(bare, flavor_name=LARGE), provider=setting)

    assert only_balancer(octavia)[1:] == ("amphora", "large")


@IN_SLOTS
async def test_a_load_balancer_that_cannot_be_repaired_keeps_its_provider(bare: LoadBalancerSpec, reads: int) -> None:
    octavia = ScriptedOctavia(reads)
    octavia.has_failover = False
    await ensure_in_slots(octavia, bare, provider="ovn")
    octavia.all_of("loadbalancers")[0]["provisioning_status"] = "ERROR"
    await ensure_in_slots(octavia, bare, provider="amphora")

    assert only_balancer(octavia)[1] == "ovn"
    assert len(octavia.changes) == len(set(octavia.changes)) + 1  # the creation


async def test_a_flavor_of_another_provider_replaces_nothing(bare: LoadBalancerSpec) -> None:
    octavia = ScriptedOctavia()
    octavia.flavors, octavia.flavor_provider = {LARGE: "large"}, "ovn"
    await ensure_in_slots(octavia, bare, provider="amphora")
    first = only_balancer(octavia)
    await ensure_in_slots(octavia, replace(bare, flavor_name=LARGE), provider="ovn")

    assert only_balancer(octavia) == first


async def test_what_the_provider_does_not_have_is_refused_before_a_deletion(bare: LoadBalancerSpec) -> None:
    octavia = ScriptedOctavia()
    octavia.flavors = {SMALL: "small", LARGE: "large"}
    octavia.flavor_provider = "ovn"
    await ensure_in_slots(octavia, bare, provider="ovn")
    listener = new_listener(id="listener")
    changes = list(octavia.changes)
    with pytest.raises(DriverError, match="no listeners of protocol HTTP"):
        await ensure_in_slots(octavia, replace(bare, flavor_name=LARGE, listeners=[listener]), provider="amphora")

    assert octavia.changes == changes
