"""Instances that cannot be created: nothing is left behind."""

import asyncio
from typing import Any

import pytest
from gcore import BadRequestError

from tests.builders import (
    a_floating_ip,
    a_network,
    a_placement_group,
    a_port,
    a_security_group,
    an_image,
    driver_of,
)
from tests.creations import (
    CREATE,
    a_volume,
    count_resources,
    create_instance,
    fail_to_create_instance,
    fixed_addresses,
    order_instance,
)
from tests.errors import list_error_paths
from tests.networks import a_routed_network
from tests.orders import UBUNTU, an_order, boot
from tests.storage import set_quotas
from tests.tenants import Tenant

UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"


async def test_a_flavor_without_capacity_is_refused(tenant: Tenant) -> None:
    await tenant.api.put("/_pileus/capacities/1/g2-standard-2-4", json={"servers": 0})

    answer = await order_instance(tenant, flavor="g2-standard-2-4")
    await tenant.api.put("/_pileus/capacities/1/g2-standard-2-4", json={"servers": None})

    assert (answer.status_code, answer.json()["exception_class"]) == (403, "ForbiddenError")
    assert answer.json()["message"] == "The region 1 has reached the limit of flavor g2-standard-2-4"


async def test_missing_capacity_is_reported_before_a_missing_image(tenant: Tenant) -> None:
    await tenant.api.put("/_pileus/capacities/1/g2-standard-2-4", json={"servers": 0})
    missing_image = boot(image_id=UNKNOWN_ID)

    answer = await order_instance(tenant, flavor="g2-standard-2-4", volumes=[missing_image])
    await tenant.api.put("/_pileus/capacities/1/g2-standard-2-4", json={"servers": None})

    assert answer.json()["message"] == "The region 1 has reached the limit of flavor g2-standard-2-4"


async def test_an_exceeded_quota_is_reported_with_limit_and_usage(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 1000
    set_quotas(tenant, monkeypatch, volume_size=limit)
    disks = [boot(), {"source": "new-volume", "size": limit}]
    before = await count_resources(tenant)

    answer = await order_instance(tenant, volumes=disks)

    (info,) = answer.json()["info"]
    assert (answer.status_code, answer.json()["exception_class"]) == (400, "MultipleQuotaLimitExceeded")
    assert answer.json()["message"] == f"Quota limit for volume_size exceeded by {info['requested_usage'] - limit}"
    assert (info["attribute"], info["limit"]) == ("volume_size", limit)
    assert info["requested_usage"] > limit
    assert await count_resources(tenant) == before


async def test_all_exceeded_quotas_of_an_order_are_reported(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    set_quotas(tenant, monkeypatch, volume_count=0, vm_count=0, ram=0, volume_size=9)

    with pytest.raises(BadRequestError) as refused:
        await tenant.sdk.cloud.instances.create(**an_order())

    assert isinstance(refused.value.body, dict)
    assert refused.value.body["info"] == [
        {"attribute": "vm_count", "current_usage": 0, "requested_usage": 1, "limit": 0},
        {"attribute": "ram", "current_usage": 0, "requested_usage": 2048, "limit": 0},
        {"attribute": "volume_count", "current_usage": 0, "requested_usage": 1, "limit": 0},
        {"attribute": "volume_size", "current_usage": 0, "requested_usage": 10, "limit": 9},
    ]
    assert all(quota["attribute"] in refused.value.message for quota in refused.value.body["info"])


@pytest.mark.parametrize("step", ["choose host", "create volumes", "spawn", "connect"])
async def test_a_failure_at_any_step_leaves_nothing_behind(tenant: Tenant, step: str) -> None:
    volume, existing, reserved = await a_volume(tenant), await a_floating_ip(tenant), await a_port(tenant)
    _, (subnet,) = await a_routed_network(tenant)
    await tenant.api.post("/_pileus/faults", json={"kind": "fail", "task_type": CREATE, "step": step, "times": 1})
    before = await count_resources(tenant)
    subnet_interface = {"type": "subnet", "network_id": subnet.network_id, "subnet_id": subnet.id}
    existing_choice = {"source": "existing", "existing_floating_id": existing.id}
    interfaces = [
        {**subnet_interface, "floating_ip": {"source": "new"}},
        {**subnet_interface, "floating_ip": existing_choice},
        {"type": "reserved_fixed_ip", "port_id": reserved.id},
    ]

    await fail_to_create_instance(
        tenant, volumes=[boot(), {"source": "existing-volume", "volume_id": volume.id}], interfaces=interfaces
    )
    after = await count_resources(tenant)
    again = await create_instance(
        tenant, volumes=[boot(), {"source": "existing-volume", "volume_id": volume.id}], interfaces=interfaces
    )

    assert after["disks"] - before["disks"] in (0, 1)  # the driver may have created the existing volume
    assert {**after, "disks": 0} == {**before, "disks": 0}
    assert again["status"] == "ACTIVE"


@pytest.mark.parametrize("named", [True, False])
async def test_a_failure_keeps_a_floating_ip_on_a_reserved_port(tenant: Tenant, *, named: bool) -> None:
    _, (subnet,) = await a_network(tenant)
    reserved = await a_port(tenant, subnet)
    floating_ip = await a_floating_ip(tenant, reserved)
    choice = {"source": "existing", "existing_floating_id": floating_ip.id}
    interface = {"type": "reserved_fixed_ip", "port_id": reserved.id} | ({"floating_ip": choice} if named else {})
    await tenant.api.post("/_pileus/faults", json={"kind": "fail", "task_type": CREATE, "step": "connect"})

    await fail_to_create_instance(tenant, interfaces=[interface])

    after = (await tenant.api.get(tenant.path("floatingips", floating_ip.id))).json()
    assert (after["port_id"], after["status"], after["task_id"]) == (reserved.id, "ACTIVE", None)
    assert await driver_of(tenant.running).find_floating_ip(floating_ip.id) is not None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"flavor": "no-such"}, "flavor"),
        ({"flavor": "bm2-hf-medium"}, "flavor"),
        ({"interfaces": []}, "interfaces"),
        ({"volumes": []}, "volumes"),
        ({"name": "x"}, "name"),
        ({"name": None, "name_template": None}, "name"),
        ({"name": "good-name", "name_template": "{ip_octets}"}, "name"),
        ({"tags": {"a b": "c"}}, "tags"),
        ({"user_data": "not base64!"}, "user_data"),
        ({"password": "x" * 512}, "password"),
        ({"volumes": [boot(size=1)]}, "volumes.0.size"),
        ({"volumes": [boot(), boot()]}, "volumes"),
        ({"volumes": [boot(), boot(type_name="cardboard")]}, "volumes.1.type_name"),
        ({"interfaces": [{"type": "carrier-pigeon"}]}, "interfaces.0"),
        ({"interfaces": [{"type": "external"}, {"type": "subnet", "network_id": UBUNTU}]}, "interfaces.1.subnet_id"),
        (
            {"interfaces": [{"type": "any_subnet", "network_id": UBUNTU, "floating_ip": {"source": "existing"}}]},
            "interfaces.0.floating_ip.existing_floating_id",
        ),
    ],
)
async def test_an_invalid_order_names_the_field(tenant: Tenant, change: dict[str, Any], field: str) -> None:
    before = await count_resources(tenant)

    answer = await order_instance(tenant, **change)

    assert answer.status_code == 400
    assert list_error_paths(answer.json()["invalid_fields"]) == [field]
    assert answer.json()["message"] == f"Validation Error: {answer.json()['invalid_fields']}"
    assert await count_resources(tenant) == before


async def test_all_missing_fields_are_named_at_once(tenant: Tenant) -> None:
    answer = await tenant.api.post(tenant.path("instances", version=2), json={"name": "x"})

    assert set(answer.json()["invalid_fields"]) == {"flavor", "interfaces", "volumes", "name"}


async def test_missing_interfaces_and_volumes_are_named_in_the_message(tenant: Tenant) -> None:
    body = {"name": "web-1", "flavor": "g1-standard-1-2"}

    answer = await tenant.api.post(tenant.path("instances", version=2), json=body)

    errors = {"interfaces": ["Field required"], "volumes": ["Field required"]}
    assert (answer.status_code, answer.json()["exception_class"]) == (400, "ValidationError")
    assert (answer.json()["message"], answer.json()["invalid_fields"]) == (f"Validation Error: {errors}", errors)


@pytest.mark.parametrize(
    ("of_instance", "of_interface"), [(["same", "same"], []), ([], ["same", "same"]), (["same"], ["other", "same"])]
)
async def test_a_security_group_that_is_named_twice_is_refused(
    tenant: Tenant, of_instance: list[str], of_interface: list[str]
) -> None:
    ids = {name: (await a_security_group(tenant, name)).id for name in ("same", "other")}
    before = await count_resources(tenant)

    answer = await order_instance(
        tenant,
        security_groups=[{"id": ids[name]} for name in of_instance],
        interfaces=[{"type": "external", "security_groups": [{"id": ids[name]} for name in of_interface]}],
    )

    assert (answer.status_code, answer.json()["exception_class"]) == (400, "ValidationError")
    assert answer.json()["message"] == f"Duplicate items in the list: '{ids['same']}'"
    assert await count_resources(tenant) == before


async def test_different_security_groups_for_an_instance_and_its_interfaces_are_refused(tenant: Tenant) -> None:
    web, data = await a_security_group(tenant, "web"), await a_security_group(tenant, "data")
    interface = {"type": "external", "security_groups": [{"id": data.id}]}

    answer = await order_instance(tenant, security_groups=[{"id": web.id}], interfaces=[interface])

    assert (answer.status_code, list(answer.json()["invalid_fields"])) == (400, ["security_groups"])


async def test_two_interfaces_can_have_the_same_security_group(tenant: Tenant) -> None:
    group = await a_security_group(tenant)
    interface = {"type": "external", "security_groups": [{"id": group.id}]}

    await tenant.wait_until_finished(await order_instance(tenant, interfaces=[interface, interface]))


async def test_other_resources_that_are_named_twice_are_refused(tenant: Tenant) -> None:
    volume, port, floating_ip = await a_volume(tenant), await a_port(tenant), await a_floating_ip(tenant)
    network, _ = await a_routed_network(tenant)
    volumes = [boot(), *[{"source": "existing-volume", "volume_id": volume.id}] * 2]
    interface = {
        "type": "any_subnet",
        "network_id": network.id,
        "floating_ip": {"source": "existing", "existing_floating_id": floating_ip.id},
    }

    answers = [
        await order_instance(tenant, volumes=volumes),
        await order_instance(tenant, interfaces=[{"type": "reserved_fixed_ip", "port_id": port.id}] * 2),
        await order_instance(tenant, interfaces=[interface] * 2),
    ]

    assert [answer.status_code for answer in answers] == [400, 409, 409], [answer.text for answer in answers]


async def test_resources_of_another_tenant_are_not_found(tenant: Tenant, stranger: Tenant) -> None:
    network, (subnet,) = await a_network(stranger)
    volume, port, group = await a_volume(stranger), await a_port(stranger), await a_security_group(stranger)
    floating, placement = await a_floating_ip(stranger), await a_placement_group(stranger)
    foreign_interface = {"type": "subnet", "network_id": network.id, "subnet_id": subnet.id}
    orders: list[dict[str, Any]] = [
        {"interfaces": [foreign_interface]},
        {"interfaces": [{"type": "any_subnet", "network_id": network.id}]},
        {"interfaces": [{"type": "reserved_fixed_ip", "port_id": port.id}]},
        {"interfaces": [{"type": "external", "security_groups": [{"id": group.id}]}]},
        {"security_groups": [{"id": group.id}]},
        {"servergroup_id": placement.id},
        {"volumes": [boot(), {"source": "existing-volume", "volume_id": volume.id}]},
    ]
    own_network, (own_subnet,) = await a_routed_network(tenant)
    foreign_choice = {"source": "existing", "existing_floating_id": floating.id}
    orders.append(
        {
            "interfaces": [
                {
                    **foreign_interface,
                    "network_id": own_network.id,
                    "subnet_id": own_subnet.id,
                    "floating_ip": foreign_choice,
                }
            ]
        }
    )

    answers = [await order_instance(tenant, **order) for order in orders]

    assert [answer.status_code for answer in answers] == [404] * len(orders)


async def test_resources_in_use_cannot_be_used_again(tenant: Tenant) -> None:
    existing, port = await a_volume(tenant), await a_port(tenant)
    network, _ = await a_network(tenant)
    address = {"type": "any_subnet", "network_id": network.id, "ip_address": "10.0.0.50"}
    volume_source = {"source": "existing-volume", "volume_id": existing.id}
    await create_instance(
        tenant,
        volumes=[boot(), volume_source],
        interfaces=[address, {"type": "reserved_fixed_ip", "port_id": port.id}],
    )

    answers = [
        await order_instance(tenant, interfaces=[address]),
        await order_instance(tenant, interfaces=[{"type": "reserved_fixed_ip", "port_id": port.id}]),
    ]

    assert [answer.status_code for answer in answers] == [409, 409]


@pytest.mark.parametrize(("status", "boot_index"), [("in-use", 0), ("in-use", -1), ("error", -1)])
async def test_an_order_with_a_volume_that_is_not_available_is_accepted_and_fails(
    tenant: Tenant, status: str, boot_index: int
) -> None:
    volume = await a_volume(tenant, status=status, bootable=True)
    source = {"source": "existing-volume", "volume_id": volume.id, "boot_index": boot_index}
    before = await count_resources(tenant)

    task = await fail_to_create_instance(tenant, volumes=[source] if boot_index == 0 else [boot(), source])

    assert task["error"] == f"Volume {volume.id} is in unexpected state {status}"
    assert task["created_resources"] is None
    assert await count_resources(tenant) == before
    assert (await tenant.api.get(tenant.path("volumes", volume.id))).json()["status"] == status


async def test_an_unknown_image_of_an_instance_is_invalid(tenant: Tenant, stranger: Tenant) -> None:
    for image_id in (UNKNOWN_ID, (await an_image(stranger)).id):
        with pytest.raises(BadRequestError) as refused:
            await tenant.sdk.cloud.instances.create(**an_order(volumes=[boot(image_id=image_id)]))
        assert isinstance(refused.value.body, dict)
        assert (refused.value.body["exception_class"], refused.value.body["message"]) == (
            "ValidationError",
            f"Image {image_id} not found",
        )


async def test_twenty_concurrent_creates_get_distinct_addresses(tenant: Tenant) -> None:
    network, _ = await a_network(tenant, "10.9.0.0/27")
    interface = {"type": "any_subnet", "network_id": network.id}

    views = await asyncio.gather(*(create_instance(tenant, interfaces=[interface]) for _ in range(20)))

    addresses = [address for view in views for address in fixed_addresses(view)]
    assert len(addresses) == 20
    assert len(set(addresses)) == 20


@pytest.mark.parametrize("table", ["networks", "subnets", "security_groups"])
async def test_locked_resources_are_not_used(tenant: Tenant, table: str) -> None:
    view = await create_instance(tenant)
    network, (subnet,) = await a_network(tenant)
    interface = {"type": "subnet", "network_id": network.id, "subnet_id": subnet.id}
    async with tenant.running.app_state.db.read() as tx:
        row = await tx.one("SELECT id FROM security_groups WHERE project_id = :id", id=tenant.project_id)
    assert row is not None
    locked_id = {"networks": network.id, "subnets": subnet.id, "security_groups": row[0]}[table]
    await tenant.running.app_state.db.write(
        lambda tx: tx.run(f"UPDATE {table} SET task_id = 'a-task' WHERE id = :id", id=locked_id)
    )
    before = await count_resources(tenant)

    answer = await order_instance(tenant, interfaces=[{**interface, "security_groups": [{"id": row[0]}]}])

    assert (answer.status_code, answer.json()["exception_class"]) == (409, "ConflictError")
    message = {
        "security_groups": f"Resource `{locked_id}` is already locked by another task. Please try again later."
    }.get(table, f"Operation on resource `{locked_id}` currently locked by running task `a-task`")
    assert answer.json()["message"].startswith(message)
    assert await count_resources(tenant) == before
    assert view["security_groups"] == [{"name": "default"}]


async def test_an_unlocked_subnet_is_chosen_over_a_locked_one(tenant: Tenant) -> None:
    network, (wide, narrow) = await a_network(tenant, "10.0.0.0/24", "10.0.1.0/28")
    await tenant.running.app_state.db.write(
        lambda tx: tx.run("UPDATE subnets SET task_id = 'a-task' WHERE id = :id", id=wide.id)
    )

    view = await create_instance(tenant, interfaces=[{"type": "any_subnet", "network_id": network.id}])

    (entry,) = view["addresses"]["inside"]
    assert narrow.can_assign_address(entry["addr"])


async def test_a_full_subnet_is_refused_and_leaves_nothing(tenant: Tenant) -> None:
    network, _ = await a_network(tenant, "10.9.0.0/29")
    interface = {"type": "any_subnet", "network_id": network.id}
    views = [await create_instance(tenant, interfaces=[interface]) for _ in range(5)]
    before = await count_resources(tenant)

    answer = await order_instance(tenant, interfaces=[interface])

    assert sorted(address for view in views for address in fixed_addresses(view)) == [
        f"10.9.0.{last}" for last in range(2, 7)
    ]
    assert (answer.status_code, answer.json()["exception_class"]) == (403, "ForbiddenError")
    assert await count_resources(tenant) == before


async def test_unknown_regions_and_projects_are_not_found(tenant: Tenant, stranger: Tenant) -> None:
    region = await tenant.api.post(f"/cloud/v2/instances/{tenant.project_id}/99", json=an_order())
    project = await tenant.api.post(f"/cloud/v2/instances/{stranger.project_id}/1", json=an_order())

    assert region.json()["message"] == "Region 99 could not be found"
    assert project.json()["message"] == f"Project {stranger.project_id} could not be found"
