"""Create instances from every volume source, with every interface type, and in placement groups."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from pileus.domain.storage.volumes import Snapshot, VolumeStatus
from pileus.drivers.protocols.storage import DiskSpec
from pileus.store import tags
from pileus.store.storage import snapshots, volumes
from pileus.tasks.operations import OPERATIONS
from tests.builders import (
    a_floating_ip,
    a_network,
    a_placement_group,
    a_port,
    a_security_group,
    driver_of,
    list_addresses,
    place_of,
    updated_record_fields,
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
from tests.networks import a_routed_network
from tests.orders import METAL, UBUNTU, an_order, boot
from tests.tenants import Tenant


async def test_a_created_instance_has_tags_volumes_addresses_and_the_default_group(tenant: Tenant) -> None:
    view = await create_instance(tenant, tags={"env": "test"}, volumes=[boot(), {"source": "new-volume", "size": 5}])

    user = {tag["key"]: tag["value"] for tag in view["tags"] if not tag["read_only"]}
    system = [tag["key"] for tag in view["tags"] if tag["read_only"]]
    assert (view["name"], view["status"], view["vm_state"]) == ("web-1", "ACTIVE", "active")
    assert (view["task_id"], view["task_state"]) == (None, None)
    assert user == {"env": "test"}
    assert system == ["image_id", "image_name", "os_distro", "os_type", "os_version", "task_id"]
    assert [tag["key"] for tag in view["tags"]] == sorted(tag["key"] for tag in view["tags"])
    assert view["creator_task_id"] == next(tag["value"] for tag in view["tags"] if tag["key"] == "task_id")
    assert len(view["volumes"]) == 2
    assert len(fixed_addresses(view)) == 1
    assert view["security_groups"] == [{"name": "default"}]


async def test_the_task_lists_created_resources_and_hides_secrets(tenant: Tenant) -> None:
    secret = "Sup3r-secret"
    answer = await order_instance(tenant, username="me", password=secret, user_data="")
    running_task = (await tenant.api.get(f"/cloud/v1/tasks/{answer.json()['tasks'][0]}")).json()

    task = await tenant.wait_until_finished(answer)

    created = task["created_resources"]
    assert task["task_type"] == CREATE
    assert [len(created[kind]) for kind in ("instances", "volumes", "ports", "floatingips")] == [1, 1, 1, 0]
    assert created["clusters"] == []
    assert secret not in str(task)
    assert secret not in str(running_task)
    async with tenant.running.app_state.db.read() as tx:
        row = await tx.one("SELECT boot FROM instances WHERE id = :id", id=created["instances"][0])
    assert row is not None
    assert secret not in row[0]


async def wait_for_step(tenant: Tenant, answer: httpx.Response, step: int) -> dict[str, Any]:
    """Wait until the task is at a step, and return the instance."""
    (task_id,) = answer.json()["tasks"]
    while True:
        async with tenant.running.app_state.db.read() as tx:
            row = await tx.one("SELECT step, args FROM tasks WHERE id = :id", id=task_id)
        assert row is not None
        if row[0] == step:
            instance_id = msgspec.json.decode(row[1])["instance_id"]
            return dict((await tenant.api.get(tenant.path("instances", instance_id))).json())
        await asyncio.sleep(0.002)


@pytest.mark.parametrize(
    ("step", "task_state"),
    [
        ("choose host", "scheduling"),
        ("create volumes", "block_device_mapping"),
        ("spawn", "spawning"),
        ("connect", "networking"),
    ],
)
async def test_an_instance_is_shown_and_locked_during_creation(tenant: Tenant, step: str, task_state: str) -> None:
    await tenant.api.post("/_pileus/faults", json={"kind": "hold", "task_type": CREATE, "step": step})

    answer = await order_instance(tenant)
    steps = [operation_step.name for operation_step in OPERATIONS[CREATE].steps]
    view = await wait_for_step(tenant, answer, steps.index(step))
    refused = await tenant.api.patch(tenant.path("instances", view["id"]), json={"name": "too-early"})
    await tenant.api.delete("/_pileus/faults")
    await tenant.wait_until_finished(answer)

    assert (view["status"], view["vm_state"], view["task_state"]) == ("BUILD", "building", task_state)
    assert [view["task_id"]] == answer.json()["tasks"]
    assert refused.status_code == 409


async def test_the_official_sdk_creates_an_instance(tenant: Tenant) -> None:
    instance = await tenant.sdk.cloud.instances.create_and_poll(
        name="by-sdk",
        flavor="g1-standard-1-2",
        interfaces=[{"type": "external"}],
        volumes=[{"source": "image", "image_id": UBUNTU, "size": 10, "boot_index": 0}],
        polling_interval_seconds=1,
    )

    assert (instance.name, instance.status) == ("by-sdk", "ACTIVE")


async def test_fields_of_older_clients_are_accepted(tenant: Tenant) -> None:
    order = an_order(names=["old"], metadata={"a": "1"}, password="", username="", user_data="", keypair_name="")
    del order["name"]

    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("instances", version=2), json=order))

    view = (await tenant.api.get(tenant.path("instances", task["created_resources"]["instances"][0]))).json()
    assert view["name"] == "old"
    assert {"key": "a", "value": "1", "read_only": False} in view["tags"]


async def test_a_name_template_is_filled_from_the_address(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant, "10.7.5.0/24")
    interface = {"type": "any_subnet", "network_id": subnet.network_id, "ip_address": "10.7.5.9"}
    order = an_order(name_template="web-{ip_octets}", interfaces=[interface])
    del order["name"]

    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("instances", version=2), json=order))

    view = (await tenant.api.get(tenant.path("instances", task["created_resources"]["instances"][0]))).json()
    assert view["name"] == "web-7-5-9"


async def test_a_volume_can_have_each_source(tenant: Tenant) -> None:
    existing = await a_volume(tenant)
    origin = await a_volume(tenant, bootable=True, image_id=UBUNTU)
    snapshot = Snapshot(**{**updated_record_fields(tenant), "volume_id": origin.id, "name": "then", "size": 20})
    await tenant.running.app_state.db.write(lambda tx: snapshots.add(tx, snapshot))
    sources = [
        boot(),
        {"source": "new-volume", "size": 7, "type_name": "ssd_hiiops", "delete_on_termination": True},
        {"source": "snapshot", "snapshot_id": snapshot.id, "size": 25},
        {"source": "existing-volume", "volume_id": existing.id, "tags": {"seen": "1"}},
    ]

    view = await create_instance(tenant, volumes=sources)

    async with tenant.running.app_state.db.read() as tx:
        records = [await volumes.get(tx, place_of(tenant), volume["id"]) for volume in view["volumes"]]
        existing_tags = await tags.list_by_resource(tx, existing.id)
    assert [volume.size for volume in records] == [10, 7, 25, 20]
    assert {volume.status for volume in records} == {"in-use"}
    assert records[3].id == existing.id
    assert [volume["delete_on_termination"] for volume in view["volumes"]] == [False, True, False, False]
    assert {key: tag.value for key, tag in existing_tags.items()} == {"kept": "yes", "seen": "1"}


async def test_a_volume_can_be_created_from_an_app_template(tenant: Tenant) -> None:
    (template, *_) = tenant.running.app_state.catalogue.app_templates
    answers = {question.name: "x" for question in template.app_config}
    disk = {"source": "apptemplate", "apptemplate_id": template.id, "size": 40}

    view = await create_instance(tenant, volumes=[disk], configuration=answers, flavor="g2-standard-4-8")

    assert len(view["volumes"]) == 1


@pytest.mark.parametrize(("family", "count"), [("ipv4", 1), ("ipv6", 1), ("dual", 2), (None, 1)])
async def test_an_external_interface_has_addresses_of_its_family(tenant: Tenant, family: str, count: int) -> None:
    view = await create_instance(tenant, interfaces=[{"type": "external", "ip_family": family}])

    assert len(fixed_addresses(view)) == count
    assert len(view["fixed_ip_assignments"]) == count
    assert all(assignment["external"] for assignment in view["fixed_ip_assignments"])


async def test_one_instance_has_interfaces_of_every_type(tenant: Tenant) -> None:
    network, (subnet,) = await a_routed_network(tenant)
    reserved = await a_port(tenant)
    existing = await a_floating_ip(tenant)
    subnet_ids = {"network_id": network.id, "subnet_id": subnet.id}
    interfaces = [
        {"type": "external", "interface_name": "front"},
        {"type": "subnet", **subnet_ids, "floating_ip": {"source": "new"}},
        {
            "type": "any_subnet",
            "network_id": network.id,
            "ip_address": "10.0.0.77",
            "floating_ip": {"source": "existing", "existing_floating_id": existing.id},
        },
        {"type": "reserved_fixed_ip", "port_id": reserved.id},
    ]

    view = await create_instance(tenant, interfaces=interfaces)

    private_addresses = view["addresses"]["inside"]
    floating = [entry["addr"] for entry in private_addresses if entry["type"] == "floating"]
    assert view["addresses"]["pub_net"][0]["interface_name"] == "front"
    assert "10.0.0.77" in fixed_addresses(view)
    assert set(await list_addresses(tenant, reserved)) <= set(fixed_addresses(view))
    assert len(floating) == 2
    assert existing.floating_ip_address in floating


async def test_only_the_volumes_of_the_order_are_new_to_the_driver(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    existing, driver = await a_volume(tenant), driver_of(tenant.running)
    ensure_volume, are_new = driver.ensure_volume, dict[str, bool]()

    async def note(disk: DiskSpec) -> None:
        are_new[disk.id] = disk.is_new
        await ensure_volume(disk)

    monkeypatch.setattr(driver, "ensure_volume", note)
    view = await create_instance(tenant, volumes=[boot(), {"source": "existing-volume", "volume_id": existing.id}])

    assert are_new == {volume["id"]: volume["id"] != existing.id for volume in view["volumes"]}
    assert sorted(are_new.values()) == [False, True]


async def test_an_instance_boots_from_an_existing_volume_with_addresses_of_both_families(tenant: Tenant) -> None:
    volume = await a_volume(tenant, bootable=True, image_id=UBUNTU)
    source = {"source": "existing-volume", "volume_id": volume.id, "boot_index": 0, "delete_on_termination": False}

    view = await create_instance(tenant, volumes=[source], interfaces=[{"type": "external", "ip_family": "dual"}])

    assert (view["status"], view["flavor"]["flavor_id"]) == ("ACTIVE", "g1-standard-1-2")
    assert view["volumes"] == [{"id": volume.id, "delete_on_termination": False}]
    assert [":" in address for address in fixed_addresses(view)] == [False, True]


async def test_an_instance_in_a_group_is_created_with_a_tagged_volume(tenant: Tenant) -> None:
    group, (network, _) = await a_placement_group(tenant), await a_routed_network(tenant)

    view = await create_instance(
        tenant,
        volumes=[boot(attachment_tag="root")],
        interfaces=[{"type": "any_subnet", "network_id": network.id}],
        servergroup_id=group.id,
    )

    volume = (await tenant.api.get(tenant.path("volumes", view["volumes"][0]["id"]))).json()
    members = (await tenant.api.get(tenant.path("servergroups", group.id))).json()["instances"]
    assert (view["status"], len(fixed_addresses(view))) == ("ACTIVE", 1)
    assert [attachment["server_id"] for attachment in volume["attachments"]] == [view["id"]]
    assert members == [{"instance_id": view["id"], "instance_name": view["name"]}]


async def test_a_floating_ip_that_is_on_the_reserved_port_already_can_be_named_again(tenant: Tenant) -> None:
    _, (subnet,) = await a_network(tenant)
    reserved = await a_port(tenant, subnet)
    floating_ip = await a_floating_ip(tenant, reserved)
    choice = {"source": "existing", "existing_floating_id": floating_ip.id}

    await create_instance(
        tenant, interfaces=[{"type": "reserved_fixed_ip", "port_id": reserved.id, "floating_ip": choice}]
    )

    after = (await tenant.api.get(tenant.path("floatingips", floating_ip.id))).json()
    assert (after["port_id"], after["status"], after["task_id"]) == (reserved.id, "ACTIVE", None)


async def test_a_data_volume_with_a_boot_index_need_not_be_bootable(tenant: Tenant) -> None:
    volume = await a_volume(tenant)
    data = {"source": "existing-volume", "volume_id": volume.id, "boot_index": 1}

    view = await create_instance(tenant, volumes=[data, boot()])

    assert [entry["id"] for entry in view["volumes"]].index(volume.id) == 1


async def test_a_requested_address_is_not_allocated_to_another_interface_of_the_order(tenant: Tenant) -> None:
    """Five interfaces need all five free addresses, and only the last one requests an address."""
    network, _ = await a_network(tenant, "10.0.0.0/29")
    any_address = {"type": "any_subnet", "network_id": network.id}

    view = await create_instance(tenant, interfaces=[*[any_address] * 4, {**any_address, "ip_address": "10.0.0.4"}])

    addresses = [entry["addr"] for entry in view["addresses"]["inside"]]
    assert sorted(addresses) == [f"10.0.0.{number}" for number in range(2, 7)]
    assert addresses[-1] == "10.0.0.4"


async def test_an_interface_gets_its_own_security_groups_or_those_of_the_instance(tenant: Tenant) -> None:
    web, data = await a_security_group(tenant, "web"), await a_security_group(tenant, "data")

    of_interface = await create_instance(tenant, interfaces=[{"type": "external", "security_groups": [{"id": web.id}]}])
    of_instance = await create_instance(tenant, security_groups=[{"id": web.id}, {"id": data.id}])
    without_groups = await create_instance(tenant, interfaces=[{"type": "external", "security_groups": []}])

    assert of_interface["security_groups"] == [{"name": "web"}]
    assert of_instance["security_groups"] == [{"name": "data"}, {"name": "web"}]
    assert without_groups["security_groups"] == [{"name": "default"}]


@pytest.mark.parametrize("field", ["ssh_key_name", "keypair_name"])
async def test_an_ssh_key_is_requested_by_name_and_shown_by_id(tenant: Tenant, field: str) -> None:
    key = (await tenant.api.post(f"/cloud/v1/ssh_keys/{tenant.project_id}", json={"name": "laptop"})).json()

    view = await create_instance(tenant, **{field: "laptop"})
    missing = await order_instance(tenant, **{field: "nobodys"})

    assert view["ssh_key_name"] == key["id"]
    assert (missing.status_code, missing.json()["exception_class"]) == (404, "NotFoundError")


async def test_a_gpu_flavor_has_its_own_shape(tenant: Tenant) -> None:
    flavor = next(candidate for candidate in tenant.running.app_state.catalogue.flavors if candidate.kind == "gpu")

    view = await create_instance(tenant, flavor=flavor.id, volumes=[{"source": "image", "image_id": METAL}])

    assert view["flavor"]["flavor_id"] == flavor.id
    assert "gpu" in view["flavor"]["hardware_description"]


async def test_a_bare_metal_server_is_created(tenant: Tenant) -> None:
    order = {"name": "metal", "flavor": "bm2-hf-medium", "interfaces": [{"type": "external"}], "image_id": METAL}

    task = await tenant.wait_until_finished(await tenant.api.post(tenant.path("bminstances"), json=order))

    view = (await tenant.api.get(tenant.path("instances", task["created_resources"]["instances"][0]))).json()
    assert (task["task_type"], view["status"], view["volumes"]) == ("create_bm", "ACTIVE", [])
    assert view["flavor"]["resource_class"]
    refused = await tenant.api.post(tenant.path("bminstances"), json={**order, "flavor": "g1-standard-1-2"})
    assert list(refused.json()["invalid_fields"]) == ["flavor"]


@pytest.mark.parametrize(("policy", "members", "hosts"), [("anti-affinity", 3, 3), ("affinity", 2, 1)])
async def test_members_of_a_placement_group_run_on_as_many_hosts_as_its_policy_says(
    tenant: Tenant, policy: str, members: int, hosts: int
) -> None:
    group = await a_placement_group(tenant, policy)

    for _ in range(members):
        await create_instance(tenant, servergroup_id=group.id)

    async with tenant.running.app_state.db.read() as tx:
        rows = await tx.all("SELECT host FROM instances WHERE placement_group_id = :id", id=group.id)
    assert len({row[0] for row in rows}) == hosts


async def test_a_full_anti_affinity_group_fails_the_task_and_leaves_nothing(tenant: Tenant) -> None:
    group = await a_placement_group(tenant, "anti-affinity")
    for _ in range(tenant.running.app_state.catalogue.servers.count):
        await create_instance(tenant, servergroup_id=group.id)
    before = await count_resources(tenant)

    task = await fail_to_create_instance(tenant, servergroup_id=group.id)

    assert "No valid host" in task["error"]
    assert await count_resources(tenant) == before


async def test_a_failed_creation_needs_no_guest_to_give_up_its_devices(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A guest without a system never does. Interfaces and volumes go with the machine."""
    driver, volume, asked = driver_of(tenant.running), await a_volume(tenant), list[str]()
    detach = driver.ensure_no_volume_attachment

    async def detach_from_no_machine(machine_id: str, volume_id: str) -> None:
        assert await driver.observe_machines([machine_id]) == []
        await detach(machine_id, volume_id)

    async def release_nothing(_: str, port_id: str) -> None:
        asked.append(port_id)

    monkeypatch.setattr(driver, "ensure_no_volume_attachment", detach_from_no_machine)
    monkeypatch.setattr(driver, "ensure_no_interface", release_nothing)
    await tenant.api.post("/_pileus/faults", json={"kind": "fail", "task_type": CREATE, "step": "connect", "times": 1})
    await fail_to_create_instance(tenant, volumes=[boot(), {"source": "existing-volume", "volume_id": volume.id}])

    async with tenant.running.app_state.db.read() as tx:
        saved = await volumes.require(tx, volume.id)
        row = await tx.one("SELECT machine_id FROM simulated_volumes WHERE id = :id", id=volume.id)
    assert (saved.status, row) == (VolumeStatus.AVAILABLE, (None,))
    assert asked == []
