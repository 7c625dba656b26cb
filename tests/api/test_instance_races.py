"""Making and deleting instances when many want the same: one gets it, and the others are told."""

import asyncio
from collections import Counter
from typing import Any

import httpx

from pileus.domain.compute.instance_orders import InterfaceType, NewInterface
from pileus.domain.network.ports import mac_address
from pileus.services.network.interfaces import InterfaceContext, create_interface
from tests.builders import (
    a_floating_ip,
    a_network,
    a_placement_group,
    a_port,
    an_instance,
    context_of,
    ports_of,
)
from tests.creations import a_volume, counted, made, ordered
from tests.orders import METAL, boot
from tests.tenants import Tenant

MANY = 6


async def rivals(tenant: Tenant, count: int = MANY, **changes: Any) -> list[httpx.Response]:
    """The answers to as many orders of the same, when the tasks of those that were taken have ended."""
    answers = await asyncio.gather(*(ordered(tenant, **changes) for _ in range(count)))
    for answer in answers:
        if answer.is_success:
            await tenant.finished(answer)
    return answers


async def told(tenant: Tenant, **changes: Any) -> Counter[int]:
    return Counter(answer.status_code for answer in await rivals(tenant, **changes))


async def test_one_gets_a_volume(tenant: Tenant) -> None:
    volume = await a_volume(tenant)

    codes = await told(tenant, volumes=[boot(), {"source": "existing-volume", "volume_id": volume.id}])

    assert codes == {200: 1, 409: MANY - 1}


async def test_one_gets_a_reserved_address(tenant: Tenant) -> None:
    port = await a_port(tenant)

    codes = await told(tenant, interfaces=[{"type": "reserved_fixed_ip", "port_id": port.id}])

    assert codes == {200: 1, 409: MANY - 1}


async def test_one_gets_a_floating_ip(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    floating_ip = await a_floating_ip(tenant)
    choice = {"source": "existing", "existing_floating_id": floating_ip.id}

    codes = await told(tenant, interfaces=[{"type": "any_subnet", "network_id": network.id, "floating_ip": choice}])

    assert codes == {200: 1, 409: MANY - 1}


async def test_one_gets_an_address_that_is_asked_for(tenant: Tenant) -> None:
    network, _ = await a_network(tenant)
    interface = {"type": "any_subnet", "network_id": network.id, "ip_address": "10.0.0.20"}

    codes = await told(tenant, interfaces=[interface])

    assert codes == {200: 1, 409: MANY - 1}


async def test_as_many_are_made_as_there_is_room_for(tenant: Tenant) -> None:
    path = "/_pileus/capacities/1/g2-standard-4-8"
    async with tenant.running.cloud.db.read() as tx:
        others = await tx.one("SELECT count(*) FROM instances WHERE flavor_id = 'g2-standard-4-8'")
    assert others is not None
    await tenant.api.put(path, json={"servers": others[0] + 2})

    codes = await told(tenant, flavor="g2-standard-4-8")
    await tenant.api.put(path, json={"servers": None})

    assert codes == {200: 2, 403: MANY - 2}


async def test_as_many_are_made_as_the_quotas_allow(tenant: Tenant) -> None:
    catalogue = tenant.running.cloud.catalogue
    flavor = next(each for each in catalogue.flavors if each.kind == "gpu" and not each.disabled)
    fitting = min(catalogue.quotas[name] // number for name, number in flavor.counts.items())

    answers = await rivals(tenant, fitting + 2, flavor=flavor.id, volumes=[{"source": "image", "image_id": METAL}])

    refused = [answer.json() for answer in answers if not answer.is_success]
    assert [each["exception_class"] for each in refused] == ["QuotaLimitExceed"] * 2


async def test_members_of_an_anti_affinity_group_made_at_once_stand_apart(tenant: Tenant) -> None:
    group = await a_placement_group(tenant, "anti-affinity")

    await rivals(tenant, servergroup_id=group.id)

    async with tenant.running.cloud.db.read() as tx:
        rows = await tx.all("SELECT host FROM instances WHERE placement_group_id = :id", id=group.id)
    assert len({row[0] for row in rows}) == MANY


async def test_an_instance_is_deleted_once(tenant: Tenant) -> None:
    instance = await an_instance(tenant)

    answers = await asyncio.gather(
        *(tenant.api.delete(tenant.path("instances", instance.id)) for _ in range(MANY)),
    )
    (first,) = [answer for answer in answers if answer.is_success]
    await tenant.finished(first)

    # Who comes when the task has ended already finds nothing to delete.
    assert {answer.status_code for answer in answers if not answer.is_success} <= {404, 409}


async def test_making_and_deleting_at_once_leaves_what_was_there(tenant: Tenant) -> None:
    await made(tenant, name="lasting")
    network, _ = await a_network(tenant, "10.8.0.0/28")
    interface = {"type": "any_subnet", "network_id": network.id, "floating_ip": {"source": "new"}}
    before = await counted(tenant)

    async def come_and_go() -> None:
        view = await made(tenant, interfaces=[interface], volumes=[boot(delete_on_termination=True)])
        path = tenant.path("instances", view["id"])
        await tenant.finished(await tenant.api.delete(path, params={"delete_floatings": True}))

    await asyncio.gather(*(come_and_go() for _ in range(8)))

    assert await counted(tenant) == before


async def test_a_mac_address_that_is_taken_is_not_given_again(tenant: Tenant) -> None:
    """It is made from the port's id, and two ids may lead to the same: the port then gets another id."""
    cloud, instance = tenant.running.cloud, await an_instance(tenant)
    unlucky, lucky = cloud.new_id(), cloud.new_id()
    await a_port(tenant, mac_address=mac_address(unlucky))
    ids = iter([unlucky, lucky, cloud.new_id()])
    context = context_of(tenant, new_id=lambda: next(ids))
    plugging = InterfaceContext(ctx=context, task_id="a-task", instance_id=instance.id)
    (group, *_) = (await made(tenant))["security_groups"]

    plugged = await cloud.db.write(
        lambda tx: create_interface(tx, plugging, NewInterface(type=InterfaceType.EXTERNAL), [], 1)
    )

    assert group == {"name": "default"}
    assert plugged.port.id == lucky
    assert plugged.port.mac_address == mac_address(lucky)
    assert len(await ports_of(tenant, instance)) == 2
