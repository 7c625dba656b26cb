"""Concurrent creates and deletes that compete for one resource: one gets it, the others are refused."""

import asyncio
from collections import Counter
from typing import Any

import httpx

from pileus.domain.compute.instance_orders import InterfaceType, NewInterface
from pileus.domain.network.ports import derive_mac_address
from pileus.services.network.interfaces import InterfaceOwner, create_or_take_over_port
from tests.builders import (
    a_floating_ip,
    a_network,
    a_placement_group,
    a_port,
    an_instance,
    context_of,
    list_ports,
)
from tests.creations import a_volume, count_resources, create_instance, order_instance
from tests.networks import a_routed_network
from tests.orders import METAL, boot
from tests.tenants import Tenant

ORDER_COUNT = 6


async def order_concurrently(tenant: Tenant, count: int = ORDER_COUNT, **changes: Any) -> list[httpx.Response]:
    """Send the same order concurrently; return the answers when the tasks of accepted orders have ended."""
    answers = await asyncio.gather(*(order_instance(tenant, **changes) for _ in range(count)))
    for answer in answers:
        if answer.is_success:
            await tenant.wait_until_finished(answer)
    return answers


async def count_status_codes(tenant: Tenant, **changes: Any) -> Counter[int]:
    return Counter(answer.status_code for answer in await order_concurrently(tenant, **changes))


async def test_one_order_gets_the_volume(tenant: Tenant) -> None:
    volume = await a_volume(tenant)

    volumes = [boot(), {"source": "existing-volume", "volume_id": volume.id}]

    answers = await asyncio.gather(*(order_instance(tenant, volumes=volumes) for _ in range(ORDER_COUNT)))
    tasks = [await tenant.wait_for_task(answer.json()["tasks"][0]) for answer in answers if answer.is_success]

    assert {answer.status_code for answer in answers} <= {200, 409}
    assert Counter(task["state"] for task in tasks)["FINISHED"] == 1
    assert len((await tenant.api.get(tenant.path("instances"))).json()["results"]) == 1


async def test_one_order_gets_the_reserved_fixed_ip(tenant: Tenant) -> None:
    port = await a_port(tenant)

    codes = await count_status_codes(tenant, interfaces=[{"type": "reserved_fixed_ip", "port_id": port.id}])

    assert codes == {200: 1, 409: ORDER_COUNT - 1}


async def test_one_order_gets_the_floating_ip(tenant: Tenant) -> None:
    network, _ = await a_routed_network(tenant)
    floating_ip = await a_floating_ip(tenant)
    choice = {"source": "existing", "existing_floating_id": floating_ip.id}

    codes = await count_status_codes(
        tenant, interfaces=[{"type": "any_subnet", "network_id": network.id, "floating_ip": choice}]
    )

    assert codes == {200: 1, 409: ORDER_COUNT - 1}


async def test_one_order_gets_the_requested_address(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    interface = {"type": "any_subnet", "network_id": network.id, "ip_address": "10.0.0.20"}

    codes = await count_status_codes(tenant, interfaces=[interface])

    assert codes == {200: 1, 409: ORDER_COUNT - 1}


async def test_capacity_limits_concurrent_creates(tenant: Tenant) -> None:
    path = "/_pileus/capacities/1/g2-standard-4-8"
    await tenant.api.put(path, json={"servers": 2})

    codes = await count_status_codes(tenant, flavor="g2-standard-4-8")
    await tenant.api.put(path, json={"servers": None})

    assert codes == {200: 2, 403: ORDER_COUNT - 2}


async def test_quotas_limit_concurrent_creates(tenant: Tenant) -> None:
    catalogue = tenant.running.app_state.catalogue
    flavor = next(candidate for candidate in catalogue.flavors if candidate.kind == "gpu" and not candidate.disabled)
    allowed = min(catalogue.quotas[name] // count for name, count in flavor.quota_counts_per_server.items())

    answers = await order_concurrently(
        tenant, allowed + 2, flavor=flavor.id, volumes=[{"source": "image", "image_id": METAL}]
    )

    refused = [answer.json() for answer in answers if not answer.is_success]
    assert [candidate["exception_class"] for candidate in refused] == ["MultipleQuotaLimitExceeded"] * 2


async def test_concurrent_members_of_an_anti_affinity_group_get_different_hosts(tenant: Tenant) -> None:
    group = await a_placement_group(tenant, "anti-affinity")

    await order_concurrently(tenant, servergroup_id=group.id)

    async with tenant.running.app_state.db.read() as tx:
        rows = await tx.all("SELECT host FROM instances WHERE placement_group_id = :id", id=group.id)
    assert len({row[0] for row in rows}) == ORDER_COUNT


async def test_an_instance_is_deleted_once(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    answers = await asyncio.gather(
        *(tenant.api.delete(tenant.path("instances", instance.id)) for _ in range(ORDER_COUNT)),
    )
    (first,) = [answer for answer in answers if answer.is_success]
    await tenant.wait_until_finished(first)

    # A request after the end of the task finds no instance.
    assert {answer.status_code for answer in answers if not answer.is_success} <= {404, 409}


async def test_concurrent_creates_and_deletes_leave_nothing_behind(tenant: Tenant) -> None:
    await create_instance(tenant, name="lasting")
    network, _ = await a_routed_network(tenant, "10.8.0.0/28")
    interface = {"type": "any_subnet", "network_id": network.id, "floating_ip": {"source": "new"}}
    before = await count_resources(tenant)

    async def come_and_go() -> None:
        view = await create_instance(tenant, interfaces=[interface], volumes=[boot(delete_on_termination=True)])
        path = tenant.path("instances", view["id"])
        await tenant.wait_until_finished(await tenant.api.delete(path, params={"delete_floatings": True}))

    await asyncio.gather(*(come_and_go() for _ in range(8)))

    assert await count_resources(tenant) == before


async def test_a_mac_address_in_use_is_not_allocated_again(tenant: Tenant) -> None:
    """A MAC address is derived from the port's id; if it is in use, the port gets another id."""
    cloud, instance = tenant.running.app_state, await an_instance(tenant)
    taken_id, free_id = cloud.new_id(), cloud.new_id()
    await a_port(tenant, mac_address=derive_mac_address(taken_id))
    ids = iter([taken_id, free_id, cloud.new_id()])
    context = context_of(tenant, new_id=lambda: next(ids))
    owner = InterfaceOwner(task_id="a-task", instance_id=instance.id)
    (group, *_) = (await create_instance(tenant))["security_groups"]

    interface = await cloud.db.write(
        lambda tx: create_or_take_over_port(tx, context, owner, NewInterface(type=InterfaceType.EXTERNAL), [], 1)
    )

    assert group == {"name": "default"}
    assert interface.port.id == free_id
    assert interface.port.mac_address == derive_mac_address(free_id)
    assert len(await list_ports(tenant, instance)) == 2
