"""Operating statuses: members follow their machines by the retries of their monitors, and what is above them follows.

The monitor checks every 10 seconds: it notices an outage after 3 checks, and its end after 2.
"""

from typing import Any

import pytest

from pileus.domain.compute.instances import Instance
from pileus.domain.network.ports import Port
from pileus.store.network import ports
from tests.balancers import MEMBER, MONITOR, a_balanced_listener, create_pool, members_path
from tests.builders import a_network, a_port, an_instance, list_ports
from tests.clocks import Clock, clock_of_cloud, run_cloud_with_clock
from tests.networks import get_view
from tests.tenants import Tenant

__all__ = ["clock_of_cloud", "run_cloud_with_clock"]

POOLS = "lbpools"
ONLINE, ERROR = ("ONLINE", "ONLINE"), ("ERROR", "ERROR")


async def list_statuses(tenant: Tenant, pool_id: str) -> tuple[str, ...]:
    """Return the operating status of a pool and those of its members, by port."""
    view = await get_view(tenant, POOLS, pool_id)
    members = sorted(view["members"], key=lambda member: member["protocol_port"])
    for member in members:
        answer = await tenant.api.get(members_path(tenant, pool_id, member["id"]))
        assert answer.json() == member
    return view["operating_status"], *(member["operating_status"] for member in members)


async def run_action(tenant: Tenant, instance: Instance, action: str) -> None:
    """Perform a power action on an instance."""
    path = tenant.path("instances", instance.id, "action", version=2)
    await tenant.wait_until_finished(await tenant.api.post(path, json={"action": action}))


async def get_address(tenant: Tenant, instance: Instance) -> tuple[str, str]:
    """Return subnet and address of the first port of an instance."""
    (port, *_) = await list_ports(tenant, instance)
    return await get_port_address(tenant, port)


async def get_port_address(tenant: Tenant, port: Port) -> tuple[str, str]:
    """Return subnet and address of a port."""
    async with tenant.running.app_state.db.read() as tx:
        (address, *_) = await ports.list_addresses(tx, port.id)
    return address.subnet_id, address.ip


async def a_monitored_instance(tenant: Tenant, *, by_subnet: bool = False) -> tuple[Instance, str]:
    """Add an instance that is the member of a monitored pool, by its id or by its subnet; return it and the pool."""
    instance = await an_instance(tenant)
    subnet_id, ip = await get_address(tenant, instance)
    target = {"subnet_id": subnet_id} if by_subnet else {"instance_id": instance.id}
    members = [{"address": ip, "protocol_port": 80, **target}]
    return instance, await create_pool(tenant, members=members, healthmonitor=MONITOR)


@pytest.mark.parametrize("target", ["instance", "subnet"])
async def test_the_member_of_a_stopped_instance_goes_to_error_and_back_after_the_retries(
    tenant: Tenant, clock: Clock, target: str
) -> None:
    await clock.freeze()
    instance, pool_id = await a_monitored_instance(tenant, by_subnet=target == "subnet")
    await clock.advance(hours=1)
    assert await list_statuses(tenant, pool_id) == ONLINE

    await run_action(tenant, instance, "stop")
    await clock.advance(seconds=29)
    assert await list_statuses(tenant, pool_id) == ONLINE
    await clock.advance(seconds=1)
    assert await list_statuses(tenant, pool_id) == ERROR

    await clock.advance(days=1)
    await run_action(tenant, instance, "start")
    await clock.advance(seconds=19)
    assert await list_statuses(tenant, pool_id) == ERROR
    await clock.advance(seconds=1)
    assert await list_statuses(tenant, pool_id) == ONLINE


async def test_a_short_outage_is_not_noticed(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    instance, pool_id = await a_monitored_instance(tenant)
    await clock.advance(minutes=5)

    await run_action(tenant, instance, "stop")
    await clock.advance(seconds=29)
    await run_action(tenant, instance, "start")

    for _ in range(5):
        assert await list_statuses(tenant, pool_id) == ONLINE
        await clock.advance(seconds=10)


async def test_a_machine_that_fails_by_itself_or_is_isolated_takes_its_member_along(
    tenant: Tenant, clock: Clock
) -> None:
    await clock.freeze()
    instance, pool_id = await a_monitored_instance(tenant)
    await clock.advance(minutes=5)

    for path, broken, mended in (
        ("machines/{}", {"status": "ERROR"}, {"status": "ACTIVE"}),
        ("instances/{}/isolation", {"isolated": True}, {"isolated": False}),
    ):
        await tenant.api.put(f"/_pileus/{path.format(instance.id)}", json=broken)
        await clock.advance(seconds=30)
        assert await list_statuses(tenant, pool_id) == ERROR
        await tenant.api.put(f"/_pileus/{path.format(instance.id)}", json=mended)
        await clock.advance(seconds=20)
        assert await list_statuses(tenant, pool_id) == ONLINE


async def test_the_member_of_a_deleted_instance_is_in_error(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    instance, pool_id = await a_monitored_instance(tenant)
    await clock.advance(minutes=5)

    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("instances", instance.id)))

    assert await list_statuses(tenant, pool_id) == ERROR


async def test_without_a_monitor_nothing_is_noticed(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    instance, pool_id = await a_monitored_instance(tenant)
    await tenant.api.delete(tenant.path(POOLS, pool_id, "healthmonitor"))

    await run_action(tenant, instance, "stop")
    await clock.advance(days=1)

    assert await list_statuses(tenant, pool_id) == ("ONLINE", "NO_MONITOR")


async def test_a_new_monitor_notices_an_old_outage_after_its_retries(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    instance, pool_id = await a_monitored_instance(tenant)
    await tenant.api.delete(tenant.path(POOLS, pool_id, "healthmonitor"))
    await run_action(tenant, instance, "stop")
    await clock.advance(days=1)

    path = tenant.path(POOLS, pool_id, "healthmonitor")
    await tenant.wait_until_finished(await tenant.api.post(path, json=MONITOR))

    assert await list_statuses(tenant, pool_id) == ONLINE
    await clock.advance(seconds=30)
    assert await list_statuses(tenant, pool_id) == ERROR


async def test_an_address_that_nothing_has_is_in_error_and_a_port_of_others_is_not(
    tenant: Tenant, clock: Clock
) -> None:
    await clock.freeze()
    _, (subnet,) = await a_network(tenant)
    _, ip = await get_port_address(tenant, await a_port(tenant, subnet))
    members = [
        {"address": "10.0.0.200", "protocol_port": 1, "subnet_id": subnet.id},
        {"address": ip, "protocol_port": 2, "subnet_id": subnet.id},
        {**MEMBER, "protocol_port": 3},
    ]
    pool_id = await create_pool(tenant, members=members, healthmonitor=MONITOR)

    await clock.advance(minutes=5)

    assert await list_statuses(tenant, pool_id) == ("DEGRADED", "ERROR", "ONLINE", "ONLINE")


async def test_a_monitor_may_check_another_address_than_that_of_the_member(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    checked, other = await an_instance(tenant), await an_instance(tenant)
    (subnet_id, checked_ip), (_, other_ip) = await get_address(tenant, checked), await get_address(tenant, other)
    member = {"address": other_ip, "protocol_port": 80, "subnet_id": subnet_id, "monitor_address": checked_ip}
    pool_id = await create_pool(tenant, members=[member], healthmonitor=MONITOR)
    await clock.advance(minutes=5)

    await run_action(tenant, other, "stop")
    await clock.advance(minutes=5)
    assert await list_statuses(tenant, pool_id) == ONLINE
    await run_action(tenant, checked, "stop")
    await clock.advance(minutes=5)
    assert await list_statuses(tenant, pool_id) == ERROR


async def test_an_injected_fault_of_a_member_is_noticed_like_any_outage(tenant: Tenant, clock: Clock) -> None:
    await clock.freeze()
    members = [{**MEMBER, "protocol_port": port} for port in (1, 2)]
    pool_id = await create_pool(tenant, members=members, healthmonitor=MONITOR)
    first = min((await get_view(tenant, POOLS, pool_id))["members"], key=lambda member: member["protocol_port"])
    path = f"/_pileus/members/{first['id']}"
    await clock.advance(minutes=5)

    async def set_reachable(*, reachable: bool) -> None:
        answer = await tenant.api.put(path, json={"reachable": reachable})
        assert answer.status_code == 204, answer.text

    await set_reachable(reachable=False)
    await clock.advance(seconds=10)
    await set_reachable(reachable=False)
    await clock.advance(seconds=20)
    assert await list_statuses(tenant, pool_id) == ("DEGRADED", "ERROR", "ONLINE")
    await set_reachable(reachable=True)
    await clock.advance(seconds=20)
    assert await list_statuses(tenant, pool_id) == ("ONLINE", "ONLINE", "ONLINE")


async def test_faults_of_members_of_others_are_not_found(tenant: Tenant, stranger: Tenant) -> None:
    pool_id = await create_pool(stranger, members=[MEMBER])
    (member,) = (await get_view(stranger, POOLS, pool_id))["members"]

    for member_id in (member["id"], "00000000-0000-4000-8000-000000000000"):
        answer = await tenant.api.put(f"/_pileus/members/{member_id}", json={"reachable": False})
        assert answer.status_code == 404
    operator_path = f"/_pileus/members/{member['id']}?client_id=0"
    assert (await tenant.operator.put(operator_path, json={"reachable": False})).status_code == 204


@pytest.mark.parametrize("disabled", ["pool", "member", "monitor"])
async def test_disabled_parts(tenant: Tenant, disabled: str) -> None:
    listener = await a_balanced_listener(tenant)
    pool_id = await create_pool(tenant, listener, members=[MEMBER], healthmonitor=MONITOR)
    (member,) = (await get_view(tenant, POOLS, pool_id))["members"]
    path, statuses = {
        "pool": (tenant.path(POOLS, pool_id, version=2), ("OFFLINE", "ONLINE")),
        "member": (members_path(tenant, pool_id, member["id"]), ("ONLINE", "OFFLINE")),
        "monitor": (tenant.path(POOLS, pool_id, "healthmonitor"), ("ONLINE", "NO_MONITOR")),
    }[disabled]

    await tenant.wait_until_finished(await tenant.api.patch(path, json={"admin_state_up": False}))

    assert await list_statuses(tenant, pool_id) == statuses
    view: dict[str, Any] = (await get_view(tenant, POOLS, pool_id))["healthmonitor"]
    assert view["operating_status"] == ("OFFLINE" if disabled == "monitor" else "ONLINE")
