"""One server with several drivers: each request and task goes to the driver of its region."""

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from uuid import uuid4

import httpx
import pytest

from pileus.app import RunningCloud, run_cloud
from pileus.domain.account.access import Role
from pileus.domain.catalogue import derive_public_image_id
from pileus.drivers.openstack.driver import Openstack
from pileus.drivers.protocols.load_balancers import SupportsLoadBalancers
from pileus.drivers.qemu.driver import Qemu
from pileus.tasks.reconciler import reconcile_instance_statuses
from tests.app_settings import checked_settings
from tests.builders import driver_of
from tests.machines.real import end_all
from tests.orders import an_order, boot
from tests.regions.clouds import BUNDLED, SMALL, catalogue_text, create, memory_driver, one, status_of
from tests.requirements import skip_unless_required
from tests.servers import KEY, run_server
from tests.tenants import Tenant, client_of, new_tenant


async def test_a_driver_gets_its_own_regions_and_options(cloud: RunningCloud) -> None:
    shared, other = memory_driver(cloud, 2), memory_driver(cloud, 4)

    assert memory_driver(cloud, 3) is shared
    assert (shared.region_ids, shared.settings.rack) == ([2, 3], "a")
    assert (other.region_ids, other.settings.rack) == ([4], "b")
    assert cloud.drivers.find(5) is None


async def test_an_instance_runs_in_the_driver_of_its_region_alone(cloud: RunningCloud, owner: Tenant) -> None:
    simulated, first, second = await create(owner, 1), await create(owner, 2), await create(owner, 4)
    stop = await owner.api.post(f"/cloud/v2/instances/{owner.project_id}/4/{second}/action", json={"action": "stop"})
    await owner.wait_until_finished(stop)

    assert list(memory_driver(cloud, 2).statuses.items()) == [(first, "ACTIVE")]
    assert list(memory_driver(cloud, 4).statuses.items()) == [(second, "SHUTOFF")]
    assert [machine.machine_id async for machine in driver_of(cloud).observe()] == [simulated]
    assert [await status_of(owner, *at) for at in ((2, first), (4, second))] == ["ACTIVE", "SHUTOFF"]


async def test_what_only_one_driver_can_is_refused_in_the_regions_of_others(owner: Tenant) -> None:
    first, second = await create(owner, 1), await create(owner, 2)

    consoles = [await owner.api.get(f"{one(owner, *at)}/get_console") for at in ((1, first), (2, second))]
    volume = {"source": "new-volume", "name": "data", "size": 10}
    refused = await owner.api.post(f"/cloud/v1/volumes/{owner.project_id}/2", json=volume)
    task = await owner.wait_for_task(refused.raise_for_status().json()["tasks"][0])

    assert [answer.status_code for answer in consoles] == [200, 503]
    assert (task["state"], task["error"]) == ("ERROR", "The driver of this region keeps no volumes")


async def test_a_region_shows_and_offers_file_shares_only_if_its_driver_has_them(owner: Tenant) -> None:
    regions = {view["id"]: view for view in (await owner.api.get("/cloud/v1/regions")).json()["results"]}
    body = {"name": "data", "protocol": "NFS", "size": 1, "network": {"network_id": str(uuid4())}}
    refused = await owner.api.post(f"/cloud/v1/file_shares/{owner.project_id}/2", json=body)

    assert [regions[1][name] for name in ("has_sfs", "has_ddos", "file_share_types")] == [
        True,
        True,
        ["standard", "vast"],
    ]
    assert [regions[2][name] for name in ("has_sfs", "has_ddos", "file_share_types")] == [False, False, []]
    assert (refused.status_code, refused.json()["exception_class"]) == (501, "NotImplemented")
    assert "export a directory of an instance over NFS instead" in refused.json()["message"]


async def test_load_balancers_are_refused_in_the_regions_of_drivers_without_them(owner: Tenant) -> None:
    body = {"name": "web", "listeners": [{"name": "http", "protocol": "HTTP", "protocol_port": 80}]}
    path = f"/cloud/v1/loadbalancers/{owner.project_id}"
    created, refused = [await owner.api.post(f"{path}/{region_id}", json=body) for region_id in (1, 2)]
    await owner.wait_until_finished(created)

    assert (refused.status_code, refused.json()["exception_class"]) == (501, "NotImplemented")
    assert "run HAProxy on an instance instead" in refused.json()["message"]
    assert (await owner.api.get(f"{path}/2")).json()["count"] == 0


@pytest.mark.parametrize("driver", [Openstack, Qemu])
def test_the_drivers_of_real_machines_have_load_balancers(driver: type) -> None:
    assert issubclass(driver, SupportsLoadBalancers)


async def test_tags_are_sent_to_the_machine_in_its_own_region(cloud: RunningCloud, owner: Tenant) -> None:
    instance_id = await create(owner, 2)

    await owner.api.patch(one(owner, 2, instance_id), json={"tags": {"role": "web"}})

    assert memory_driver(cloud, 2).metadata[instance_id].tags["role"] == "web"
    assert memory_driver(cloud, 4).metadata == {}


async def test_a_status_is_taken_from_the_driver_of_the_region_only(cloud: RunningCloud, owner: Tenant) -> None:
    simulated, real = await create(owner, 1), await create(owner, 2)
    driver, db, now = memory_driver(cloud), cloud.app_state.db, cloud.app_state.now
    driver.statuses[real] = "SHUTOFF"
    driver.statuses[simulated] = "ERROR"
    unknown: set[str] = set()

    await reconcile_instance_statuses(db, driver, now, [2, 3], reported_unknown=unknown)

    assert await status_of(owner, 2, real) == "SHUTOFF"
    assert await status_of(owner, 1, simulated) == "ACTIVE"
    assert unknown == {simulated}


async def test_the_capacity_of_a_driver_counts_its_own_regions(owner: Tenant) -> None:
    await create(owner, 1)
    await create(owner, 2)
    await create(owner, 3)
    image_id = derive_public_image_id(3, "ubuntu-22.04-x64")
    order = an_order(volumes=[boot(image_id=image_id)], flavor=SMALL)

    full = await owner.api.post(f"/cloud/v2/instances/{owner.project_id}/3", json=order)
    await create(owner, 4)
    metrics = (await owner.api.get("/metrics")).text

    assert full.status_code == 403
    assert "The region 3 has reached the limit of flavor" in full.text
    assert "pileus_used_vcpus 8.0" in metrics
    assert "pileus_capacity_vcpus 8.0" in metrics
    assert "pileus_free_vcpus 2.0" in metrics


async def test_only_simulated_regions_are_changed_by_the_simulation_endpoints(owner: Tenant) -> None:
    simulated, real = await create(owner, 1), await create(owner, 2)
    machine, isolation = {"status": "ERROR"}, {"isolated": True, "reason": "attack"}

    answers = {
        region_id: [
            await owner.api.put(f"/_pileus/machines/{instance_id}", json=machine),
            await owner.api.put(f"/_pileus/instances/{instance_id}/isolation", json=isolation),
            await owner.api.put(f"/_pileus/capacities/{region_id}/{SMALL}", json={"servers": 5}),
            await owner.api.post("/_pileus/blackholes", json={"region_id": region_id, "destination_ip": "192.0.2.1"}),
        ]
        for region_id, instance_id in ((1, simulated), (2, real))
    }
    missing = await owner.api.put(f"/_pileus/capacities/9/{SMALL}", json={"servers": 5})

    assert [answer.status_code for answer in answers[1]] == [204, 204, 204, 200]
    assert [answer.status_code for answer in answers[2]] == [403] * 4
    assert {answer.json()["message"] for answer in answers[2]} == {"The machines of region 2 are not simulated"}
    assert missing.status_code == 404
    assert await status_of(owner, 2, real) == "ACTIVE"


async def test_faults_reach_tasks_of_simulated_regions_only(owner: Tenant) -> None:
    await owner.api.post("/_pileus/faults", json={"kind": "fail", "message": "No power"})

    await create(owner, 2)
    image_id = derive_public_image_id(1, "ubuntu-22.04-x64")
    order = an_order(volumes=[boot(image_id=image_id)])
    answer = await owner.api.post(f"/cloud/v2/instances/{owner.project_id}/1", json=order)
    failed = await owner.wait_for_task(answer.json()["tasks"][0])

    assert (failed["state"], failed["error"]) == ("ERROR", "No power")


async def test_the_whole_cloud_cannot_be_controlled_while_a_region_is_not_simulated(owner: Tenant) -> None:
    refused = [
        await owner.operator.post("/_pileus/reset"),
        await owner.operator.post("/_pileus/clock/advance", json={"seconds": 60}),
        await owner.operator.get("/_pileus/state"),
    ]

    assert [answer.status_code for answer in refused] == [403] * 3
    assert "the driver of region 2 is memory" in refused[0].json()["message"]


async def test_a_project_is_deleted_in_all_its_regions(cloud: RunningCloud, owner: Tenant) -> None:
    created = await owner.api.post("/cloud/v1/projects", json={"name": "second"})
    second = dataclasses.replace(owner, project_id=created.json()["id"])
    for region_id in (1, 2, 4):
        await create(second, region_id)

    await owner.wait_until_finished(await owner.api.delete(f"/cloud/v1/projects/{second.project_id}"))

    assert memory_driver(cloud, 2).machines == memory_driver(cloud, 4).machines == {}
    assert [machine async for machine in driver_of(cloud).observe()] == []


async def test_a_driver_that_does_not_work_leaves_the_server_ready_for_other_regions(
    cloud: RunningCloud, owner: Tenant
) -> None:
    memory_driver(cloud, 2).failure = "No connection"

    async with client_of(cloud, None) as anybody:
        ready = (await anybody.get("/readyz")).json()

    assert (ready["driver"], ready["driver_details"]) == ("degraded", "rack b")
    assert ready["driver_errors"] == {"2": "No connection", "3": "No connection"}
    await create(owner, 4)


async def test_a_region_is_added_by_a_start_with_a_catalogue_that_has_it(tmp_path: Path) -> None:
    file = tmp_path / "catalogue.toml"
    settings = checked_settings(data=tmp_path / "data", catalogue=str(file))
    file.write_text(BUNDLED)
    async with run_cloud(settings) as cloud, new_tenant(cloud) as tenant:
        before, token = await create(tenant, 1), tenant.tokens[Role.ADMINISTRATORS]
        missing = await tenant.api.get("/cloud/v1/regions/2")

    file.write_text(catalogue_text({2: 'driver = "memory"'}))
    async with run_cloud(settings) as cloud, client_of(cloud, token) as api:
        tenant = dataclasses.replace(tenant, running=cloud, api=api)
        await create(tenant, 2)
        kept = await status_of(tenant, 1, before)

    assert missing.status_code == 404
    assert kept == "ACTIVE"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that QEMU's user can reach."""
    if not shutil.which("qemu-system-x86_64"):
        skip_unless_required("needs QEMU: apt-get install qemu-system-x86 qemu-utils")
    path = Path(mkdtemp(prefix="pileus-"))
    path.chmod(0o755)
    yield path
    end_all(path)
    shutil.rmtree(path)


def test_a_server_has_simulated_and_real_regions_at_once(folder: Path) -> None:
    (folder / "catalogue.toml").write_text(
        catalogue_text({2: 'driver = "qemu"\ndriver_options = { cpu_ratio = 32.0 }'})
    )
    headers, states = {"Authorization": f"APIKey {KEY}"}, []
    with (
        run_server(folder / "data", "--catalogue", str(folder / "catalogue.toml")) as server,
        httpx.Client(base_url=server.url, headers=headers) as api,
    ):
        for region_id in (1, 2):
            volume = {"source": "new-volume", "name": "data", "size": 10}
            (task_id,) = api.post(f"/cloud/v1/volumes/1/{region_id}", json=volume).raise_for_status().json()["tasks"]
            while (task := api.get(f"/cloud/v1/tasks/{task_id}").json())["state"] not in ("FINISHED", "ERROR"):
                pass
            states.append((task["state"], task["created_resources"]["volumes"][0]))
        ready = api.get("/readyz").json()

    files = [path.name for path in (folder / "data").rglob("*") if states[1][1] in path.name]
    assert [state for state, _ in states] == ["FINISHED", "FINISHED"]
    assert files
    assert not [path for path in (folder / "data").rglob("*") if states[0][1] in path.name]
    assert ready["driver"] == "ok"
