"""Load balancers in Octavia, on the recorded double: interrupted, as Octavia has them, and refused."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from msgspec.structs import replace

from pileus.api.routes.load_balancers.driver_limits import check_balancing_is_possible
from pileus.domain.errors import NotOffered
from pileus.domain.load_balancers.listeners import ListenerUser
from pileus.domain.load_balancers.pools import SessionPersistence
from pileus.drivers.openstack.driver import Openstack
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.openstack.octavia.changes import ROOT, SERVICE
from pileus.drivers.openstack.octavia.providers import check_is_offered
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable
from pileus.drivers.protocols.load_balancers import L7PolicySpec, LoadBalancerSpec, PoolSpec
from pileus.testing.conformance.fixtures import MakeDriver
from pileus.testing.conformance.harnesses import make_driver_config
from pileus.testing.conformance.test_load_balancers import FLAVORS, new_id, new_load_balancer, new_member
from tests.drivers.openstack.conftest import serve
from tests.drivers.openstack.double import Double
from tests.drivers.openstack.exchanges import Exchange, ExchangeServer, load_exchanges, write_clouds

if TYPE_CHECKING:
    from pileus.api.context import RequestContext
    from pileus.drivers.protocols.compute import Compute

CHANGES = (
    "the port is created",
    "the load balancer is created",
    "the pool is created",
    "its members are set",
    "its monitor is created",
    "the listener is created",
    "the policy is created",
    "the rule is created",
)
AFTER_EACH_CHANGE = pytest.mark.parametrize(
    "number", range(1, len(CHANGES) + 1), ids=[name.replace(" ", "_") for name in CHANGES]
)
OTHER_CLOUD = "test_host_names_are_unique_and_stable"
"""A recording with little more than a token."""


async def list_parts(driver: Openstack, kind: str, **params: str) -> list[dict[str, Any]]:
    """Return parts of load balancers in Octavia."""
    items: list[dict[str, Any]] = (await driver.cloud.get(SERVICE, f"{ROOT}/{kind}", **params))[kind.rpartition("/")[2]]
    return items


async def count_parts(driver: Openstack, balancer: LoadBalancerSpec) -> dict[str, int]:
    """Return how much of a load balancer OpenStack has."""
    kinds = ("loadbalancers", "pools", "healthmonitors", "listeners", "l7policies")
    counts = {kind: len(await list_parts(driver, kind)) for kind in kinds}
    ports = await driver.cloud.get("network", "/ports", name=engine_name(balancer.vip.port_id))
    return {**counts, "ports": len(ports["ports"])}


@AFTER_EACH_CHANGE
async def test_a_load_balancer_is_completed_and_deleted_after_any_of_its_changes(
    make_driver: MakeDriver, cloud_server: ExchangeServer, number: int
) -> None:
    first = await make_driver()
    balancer = await new_load_balancer(first)
    cloud_server.changes_until_loss = number
    with pytest.raises(DriverUnreachable):
        await first.ensure_load_balancer(balancer)

    second = await make_driver()
    await second.ensure_load_balancer(balancer)

    assert set((await count_parts(second, balancer)).values()) == {1}
    await second.ensure_no_load_balancer(balancer.id)
    assert set((await count_parts(second, balancer)).values()) == {0}


async def test_octavia_has_what_was_ordered(driver: Openstack) -> None:
    balancer = await new_load_balancer(driver)
    (listener,), (pool,), (policy,) = balancer.listeners, balancer.pools, balancer.l7_policies
    other = PoolSpec(id=new_id(), protocol="HTTP", lb_algorithm="SOURCE_IP", admin_state_up=True)
    leading = L7PolicySpec(
        id=new_id(),
        listener_id=listener.id,
        action="REDIRECT_TO_POOL",
        position=1,
        redirect_pool_id=other.id,
        admin_state_up=True,
    )
    await driver.ensure_load_balancer(balancer)
    changed = replace(
        balancer,
        listeners=[replace(listener, connection_limit=100_000, insert_x_forwarded=True, allowed_cidrs=["10.0.0.0/8"])],
        pools=[
            replace(pool, session_persistence=SessionPersistence(type="HTTP_COOKIE"), timeout_member_data=7000),
            other,
        ],
        members=[*balancer.members, replace(new_member(other.id, "10.0.0.13"), weight=7, backup=True)],
        l7_policies=[leading, replace(policy, position=2)],
    )
    await driver.ensure_load_balancer(changed)
    await driver.ensure_load_balancer(changed)

    (octavia_listener,) = await list_parts(driver, "listeners")
    pools = {item["name"]: item for item in await list_parts(driver, "pools")}
    policies = {item["position"]: item["action"] for item in await list_parts(driver, "l7policies")}
    (member,) = await list_parts(driver, f"pools/{pools[engine_name(other.id)]['id']}/members")
    names = ("connection_limit", "timeout_member_data", "allowed_cidrs")
    assert [octavia_listener[name] for name in names] == [-1, 7000, ["10.0.0.0/8"]]
    assert octavia_listener["insert_headers"]["X-Forwarded-For"] == "true"
    assert pools[engine_name(pool.id)]["session_persistence"]["type"] == "HTTP_COOKIE"
    assert policies == {1: "REDIRECT_TO_POOL", 2: "REJECT"}
    assert (member["weight"], member["backup"], member["address"]) == (7, True, "10.0.0.13")


async def test_another_flavor_makes_another_load_balancer_with_the_same_port(driver: Openstack) -> None:
    balancer = await new_load_balancer(driver)
    await driver.ensure_load_balancer(balancer)
    (first,) = await list_parts(driver, "loadbalancers")

    await driver.ensure_load_balancer(replace(balancer, flavor_name=FLAVORS[1]))

    (second,) = await list_parts(driver, "loadbalancers")
    assert second["id"] != first["id"]
    assert (second["vip_port_id"], second["vip_address"]) == (first["vip_port_id"], "10.0.0.7")
    assert second["flavor_id"] != first["flavor_id"]


async def test_a_failover_is_asked_for_once(driver: Openstack, cloud_server: ExchangeServer) -> None:
    balancer = await new_load_balancer(driver)
    await driver.ensure_load_balancer(balancer)
    for _ in range(2):
        await driver.ensure_load_balancer(replace(balancer, machine_generation=2))

    assert len([key for key in cloud_server.received if "/failover" in key]) == 1


async def test_what_octavia_does_not_have_is_refused_before_anything_is_made(
    driver: Openstack, cloud_server: ExchangeServer
) -> None:
    balancer = await new_load_balancer(driver)
    (listener,) = balancer.listeners
    before = len(cloud_server.received)

    with pytest.raises(DriverError, match="no listeners with a user list") as refusal:
        await driver.ensure_load_balancer(
            replace(balancer, listeners=[replace(listener, user_list=[ListenerUser("me", "$5$hash")])])
        )

    assert not refusal.value.retryable
    assert all(key.startswith("GET ") for key in cloud_server.received[before:])


async def test_what_ovn_would_ignore_is_refused() -> None:
    balancer = await new_load_balancer(cast("Compute", None))
    (pool,), (first, second), (listener,) = balancer.pools, balancer.members, balancer.listeners
    tcp = replace(
        balancer,
        listeners=[replace(listener, protocol="TCP")],
        pools=[replace(pool, protocol="TCP")],
        l7_policies=[],
        l7_rules=[],
    )
    refused: dict[str, dict[str, Any]] = {
        "LEAST_CONNECTIONS": {"pools": [replace(pool, protocol="TCP", lb_algorithm="LEAST_CONNECTIONS")]},
        "session persistence but SOURCE_IP": {
            "pools": [replace(pool, protocol="TCP", session_persistence=SessionPersistence(type="HTTP_COOKIE"))]
        },
        "backup members": {"members": [replace(first, backup=True), second]},
        "a weight other than 1": {"members": [replace(first, weight=3), second]},
        "monitor_address": {"members": [replace(first, monitor_port=81), second]},
        "allowed_cidrs": {"listeners": [replace(listener, protocol="TCP", allowed_cidrs=["10.0.0.0/8"])]},
        "L7 policies": {"l7_policies": balancer.l7_policies},
        "listeners of protocol HTTP": {"listeners": balancer.listeners},
    }

    check_is_offered(tcp, "ovn")
    for text, changes in refused.items():
        with pytest.raises(DriverError, match=text):
            check_is_offered(replace(tcp, **changes), "ovn")


async def test_a_load_balancer_in_a_cloud_without_octavia_is_answered_with_501(
    openstack_settings: None,  # noqa: ARG001  # sets the variables of the driver
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    data: Path,
) -> None:
    exchanges = [
        Exchange(item.key, item.status_code, item.headers, item.body.replace('"load-balancer"', '"none"'))
        for item in load_exchanges(OTHER_CLOUD)
    ]
    server = Double(exchanges)
    write_clouds(tmp_path / "other.yaml", double=server)
    monkeypatch.setenv("PILEUS_OPENSTACK_CONFIG", str(tmp_path / "other.yaml"))
    with serve(server):
        driver = Openstack.create(make_driver_config("openstack", data))
        ctx = cast("RequestContext", SimpleNamespace(driver=driver))

        with pytest.raises(NotOffered, match="has no load balancers: its operator can install Octavia"):
            await check_balancing_is_possible(ctx)
        driver.close()
