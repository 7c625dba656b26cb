"""Changes of load balancers that outlast a slot, come late, lose their answers, or fail in one part."""

from typing import TYPE_CHECKING, cast

import pytest
from msgspec.structs import replace

from pileus.drivers.openstack.names import engine_name
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable, NotYetDone
from pileus.drivers.protocols.load_balancers import LoadBalancerSpec, PoolSpec
from pileus.testing.conformance.test_load_balancers import new_load_balancer
from tests.drivers.openstack.scripted_octavia import ScriptedOctavia, bare_load_balancer, ensure_in_slots

if TYPE_CHECKING:
    from pileus.drivers.protocols.compute import Compute

__all__ = ["bare_load_balancer"]


def count(octavia: ScriptedOctavia, text: str) -> int:
    """Return how many changes had a text."""
    return sum(text in change for change in octavia.changes)


@pytest.mark.parametrize("reads", [0, 1, 2, 7])
async def test_a_deletion_that_outlasts_slots_is_asked_for_once(bare: LoadBalancerSpec, reads: int) -> None:
    octavia = ScriptedOctavia(reads)
    await ensure_in_slots(octavia, bare)
    await ensure_in_slots(octavia, bare.id)

    assert octavia.all_of("loadbalancers") == []
    assert count(octavia, "DELETE") == 1


async def test_a_deletion_whose_answer_is_lost_is_completed(bare: LoadBalancerSpec) -> None:
    octavia = ScriptedOctavia(reads=3)
    await ensure_in_slots(octavia, bare)
    (balancer,) = octavia.all_of("loadbalancers")
    octavia.lost.add(f"DELETE /lbaas/loadbalancers/{balancer['id']}")
    with pytest.raises(DriverUnreachable):
        await ensure_in_slots(octavia, bare.id)
    await ensure_in_slots(octavia, bare.id)

    assert octavia.all_of("loadbalancers") == []


async def test_a_load_balancer_that_is_being_deleted_is_created_again(bare: LoadBalancerSpec) -> None:
    octavia = ScriptedOctavia(reads=3)
    await ensure_in_slots(octavia, bare)
    (first,) = octavia.all_of("loadbalancers")
    with pytest.raises(NotYetDone):
        await octavia.new_driver(slot_timeout=0).ensure_no_load_balancer(bare.id)
    await ensure_in_slots(octavia, bare)

    (second,) = octavia.all_of("loadbalancers")
    assert second["provisioning_status"] == "ACTIVE"
    assert (count(octavia, "POST"), count(octavia, "DELETE")) == (2, 1)
    assert second is not first


async def test_a_load_balancer_that_vanishes_during_a_change_is_worth_another_try(bare: LoadBalancerSpec) -> None:
    octavia = ScriptedOctavia()
    balancer = octavia.add_balancer(name=engine_name(bare.id))
    octavia.begin(f"/lbaas/loadbalancers/{balancer['id']}", "PENDING_UPDATE", "")

    with pytest.raises(DriverError, match="any more") as failure:
        await octavia.new_driver().ensure_load_balancer(bare)
    assert failure.value.retryable


@pytest.mark.parametrize("reads", [0, 1, 7])
async def test_a_failover_that_outlasts_slots_is_asked_for_once(bare: LoadBalancerSpec, reads: int) -> None:
    octavia = ScriptedOctavia(reads)
    await ensure_in_slots(octavia, bare)
    for generation in (2, 2, 3, 2):
        await ensure_in_slots(octavia, replace(bare, machine_generation=generation))
        (balancer,) = octavia.all_of("loadbalancers")
        assert balancer["tags"][0] == f"pileus-generation-{generation}"

    assert count(octavia, "failover") == 3
    assert count(octavia, "POST") == 1


async def test_a_failover_that_fails_is_repeated(bare: LoadBalancerSpec) -> None:
    octavia = ScriptedOctavia(reads=2)
    await ensure_in_slots(octavia, bare)
    octavia.outcomes = ["ERROR"]
    await ensure_in_slots(octavia, replace(bare, machine_generation=2))

    (balancer,) = octavia.all_of("loadbalancers")
    assert (balancer["provisioning_status"], balancer["tags"][0]) == ("ACTIVE", "pileus-generation-2")
    assert count(octavia, "failover") == 2


async def test_a_creation_that_another_change_delays_looks_again(bare: LoadBalancerSpec) -> None:
    """The other change can be the same creation, that came late."""
    octavia = ScriptedOctavia(reads=1)
    await ensure_in_slots(octavia, bare)
    pool = PoolSpec(id="pool", protocol="HTTP", lb_algorithm="ROUND_ROBIN", admin_state_up=True)
    octavia.late.add("POST /lbaas/pools")
    await ensure_in_slots(octavia, replace(bare, pools=[pool]))

    assert [item["name"] for item in octavia.all_of("pools")] == ["pileus-pool"]
    assert count(octavia, "POST /lbaas/pools") == 1


async def test_parts_that_are_there_twice_lose_the_younger_one(bare: LoadBalancerSpec) -> None:
    octavia = ScriptedOctavia()
    await ensure_in_slots(octavia, bare)
    pool = PoolSpec(id="pool", protocol="HTTP", lb_algorithm="ROUND_ROBIN", admin_state_up=True)
    await ensure_in_slots(octavia, replace(bare, pools=[pool]))
    (first,) = octavia.all_of("pools")
    octavia.items["/lbaas/pools/late"] = first | {"id": "late", "created_at": "999"}
    await ensure_in_slots(octavia, replace(bare, pools=[pool]))

    assert [item["id"] for item in octavia.all_of("pools")] == [first["id"]]


async def test_a_creation_whose_answer_is_lost_makes_one_load_balancer(bare: LoadBalancerSpec) -> None:
    octavia = ScriptedOctavia(reads=2)
    octavia.lost.add("POST /lbaas/loadbalancers")
    with pytest.raises(DriverUnreachable):
        await ensure_in_slots(octavia, bare)
    await ensure_in_slots(octavia, bare)

    assert len(octavia.all_of("loadbalancers")) == 1
    assert count(octavia, "POST") == 1


async def test_of_two_load_balancers_the_older_one_stays(bare: LoadBalancerSpec) -> None:
    octavia = ScriptedOctavia()
    octavia.add_balancer(name=engine_name(bare.id), created_at="2027")
    await ensure_in_slots(octavia, bare)
    octavia.add_balancer(name=engine_name(bare.id), created_at="2028")
    octavia.add_balancer(name=engine_name(bare.id), created_at="2029")
    await ensure_in_slots(octavia, bare)
    assert [item["created_at"] for item in octavia.all_of("loadbalancers")] == ["2027"]

    octavia.add_balancer(name=engine_name(bare.id))
    await ensure_in_slots(octavia, bare.id)
    assert octavia.all_of("loadbalancers") == []


@pytest.mark.parametrize("kind", ["l7policies", "rules"])
async def test_a_policy_or_rule_that_fails_is_an_error_and_is_sent_again(kind: str) -> None:
    octavia, balancer = ScriptedOctavia(), await new_load_balancer(cast("Compute", None))
    spec = replace(balancer, members=[], health_monitors=[])
    octavia.failing.add(kind)
    with pytest.raises(DriverError, match="failed to change pileus-") as failure:
        await ensure_in_slots(octavia, spec)
    assert failure.value.retryable

    await ensure_in_slots(octavia, spec)
    assert [item["provisioning_status"] for item in octavia.all_of(kind)] == ["ACTIVE"]
