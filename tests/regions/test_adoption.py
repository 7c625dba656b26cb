"""Adoption of what others have created: what prevents it, and that nothing is changed then."""

from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from pileus.app import RunningCloud, run_cloud
from pileus.domain.catalogue import derive_external_network_id
from pileus.domain.network.security_rules import NewRule
from pileus.drivers import registry
from pileus.drivers.protocols.adoption import (
    ForeignMachine,
    ForeignNetwork,
    ForeignPort,
    ForeignResources,
    ForeignSecurityGroup,
    ForeignSubnet,
    ForeignVolume,
)
from pileus.store.account import quotas
from pileus.store.network import subnets
from tests.app_settings import checked_settings
from tests.drivers.foreign import ForeignDriver
from tests.regions.clouds import SMALL, catalogue_text
from tests.tenants import Tenant, new_tenant

PLACE = 2
NETWORK = ForeignNetwork(
    id="10000000-0000-4000-8000-000000000001",
    cloud_id="net",
    name="legacy-net",
    mtu=1400,
    subnets=[
        ForeignSubnet(
            id="10000000-0000-4000-8000-000000000002",
            cloud_id="subnet",
            name="legacy-subnet",
            cidr="10.9.0.0/24",
            gateway_ip="10.9.0.1",
            enable_dhcp=True,
            dns_nameservers=["9.9.9.9"],
            host_routes=[],
        )
    ],
)
GROUP = ForeignSecurityGroup(
    id="10000000-0000-4000-8000-000000000003",
    cloud_id="group",
    name="web",
    description="Pages",
    rules=[NewRule(direction="ingress", protocol="tcp", port_range_min=80, port_range_max=80)],
)
PORT = ForeignPort(
    id="10000000-0000-4000-8000-000000000004",
    cloud_id="port",
    name="",
    network_id=NETWORK.id,
    mac_address="fa:16:3e:00:00:01",
    addresses=["10.9.0.20"],
    secured=True,
    pairs=[],
    group_ids=[GROUP.id],
)
DISK = ForeignVolume(
    id="10000000-0000-4000-8000-000000000005",
    cloud_id="disk",
    name="",
    size=5,
    type_name="standard",
    is_usable=True,
    bootable=True,
    machine_id="server",
    device="/dev/vda",
)
MACHINE = ForeignMachine(
    id="10000000-0000-4000-8000-000000000006",
    cloud_id="server",
    name="legacy",
    flavor_id=SMALL,
    status="SHUTOFF",
    ports=[PORT],
    volumes=[DISK],
    boot_volume_id=DISK.id,
    volumes_deleted_with_it=[],
)

OTHER_PORT = replace(
    PORT,
    id="20000000-0000-4000-8000-000000000002",
    mac_address="fa:16:3e:00:00:02",
    addresses=["10.9.0.21"],
)
OTHER_MACHINE = replace(
    MACHINE,
    id="20000000-0000-4000-8000-000000000001",
    cloud_id="other",
    volumes=[],
    boot_volume_id=None,
    ports=[OTHER_PORT],
)


@pytest.fixture
async def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RunningCloud]:
    """A cloud with a simulated region (1) and one with resources of others (2)."""
    monkeypatch.setitem(registry.BUILT_IN[registry.DRIVERS], "foreign", "tests.drivers.foreign:ForeignDriver")
    monkeypatch.setitem(registry.BUILT_IN[registry.SETTINGS], "foreign", "tests.drivers.memory:MemorySettings")
    (tmp_path / "catalogue.toml").write_text(catalogue_text({PLACE: 'driver = "foreign"'}))
    async with run_cloud(
        checked_settings(data=tmp_path / "data", catalogue=str(tmp_path / "catalogue.toml"))
    ) as running:
        yield running


@pytest.fixture
async def owner(cloud: RunningCloud) -> AsyncIterator[Tenant]:
    """A tenant of that cloud."""
    async with new_tenant(cloud) as tenant:
        yield tenant


@pytest.fixture
def driver(cloud: RunningCloud) -> ForeignDriver:
    """The driver of the second region."""
    driver = cloud.drivers.require(PLACE)
    assert isinstance(driver, ForeignDriver)
    driver.resources = resources()
    return driver


def resources(**machine: Any) -> ForeignResources:
    """Return the network, its server with some changes, and the server's security group."""
    changed = replace(MACHINE, **machine)
    return ForeignResources(
        networks=[NETWORK], volumes=[DISK, *changed.volumes], machines=[changed], groups={GROUP.id: GROUP}
    )


async def adopt(owner: Tenant, kind: str, cloud_id: str, region_id: int = PLACE) -> httpx.Response:
    """Try to adopt a resource."""
    path = f"/_pileus/adoptions/{owner.project_id}/{region_id}"
    return await owner.operator.post(path, json={"kind": kind, "cloud_id": cloud_id})


async def list_obstacles(owner: Tenant) -> dict[str, str | None]:
    """Return the obstacles by the id in the cloud."""
    answer = await owner.operator.get(f"/_pileus/foreign_resources/{owner.project_id}/{PLACE}")
    assert answer.status_code == 200, answer.text
    return {row["cloud_id"]: row["obstacle"] for row in answer.json()["results"]}


async def count_instances(owner: Tenant) -> int:
    """Return the number of instances in the region."""
    return int((await owner.api.get(f"/cloud/v1/instances/{owner.project_id}/{PLACE}")).json()["count"])


@pytest.mark.parametrize(
    ("changes", "obstacle"),
    [
        ({"flavor_id": "m1.huge"}, "The catalogue has no flavor m1.huge"),
        ({"status": "ERROR"}, "The server has the status ERROR"),
        ({"status": "BUSY"}, "The server has the status BUSY"),
        ({"ports": [replace(PORT, network_id="elsewhere")]}, "adopt the network first"),
        ({"ports": [replace(PORT, addresses=["10.8.0.1"])]}, "Address 10.8.0.1 is in no subnet"),
        ({"ports": [PORT, replace(PORT, id=GROUP.id, mac_address="fa:16:3e:00:00:02")]}, "is in use"),
        ({"ports": [PORT, replace(PORT, id=GROUP.id, addresses=["10.9.0.21"])]}, "MAC address fa:16:3e:00:00:01"),
        ({"ports": [replace(PORT, group_ids=["of-another-project"])]}, "of-another-project is not of the project"),
        ({"ports": [replace(PORT, id=f"{number}") for number in range(27)]}, "interfaces"),
        ({"volumes": [replace(DISK, type_name="lvm")]}, "The region has no volume type lvm"),
        ({"volumes": [replace(DISK, is_usable=False)]}, "is busy or has failed"),
        ({"volumes": [replace(DISK, size=10**9)]}, "uota"),
    ],
)
async def test_an_obstacle_is_named_and_prevents_every_change(
    owner: Tenant, driver: ForeignDriver, changes: dict[str, Any], obstacle: str
) -> None:
    driver.resources = resources(**changes)

    listed = await list_obstacles(owner)
    assert (await adopt(owner, "network", "net")).status_code == 200
    refused = await adopt(owner, "instance", "server")

    assert listed["net"] is None
    assert obstacle in (listed["server"] or "")
    assert 400 <= refused.status_code < 500
    assert driver.marked == [NETWORK.id]
    assert await count_instances(owner) == 0


@pytest.mark.parametrize(
    ("rule", "obstacle"),
    [
        (NewRule(direction="ingress", protocol="89"), "a rule of protocol 89"),
        (NewRule(direction="ingress", remote_group_id="addresses"), "address group addresses is not of the project"),
    ],
)
async def test_a_rule_that_cannot_be_copied_is_an_obstacle(
    owner: Tenant, driver: ForeignDriver, rule: NewRule, obstacle: str
) -> None:
    driver.resources = replace(resources(), groups={GROUP.id: replace(GROUP, rules=[rule])})

    assert obstacle in ((await list_obstacles(owner))["server"] or "")


@pytest.mark.parametrize("is_named_by_rule", [False, True])
async def test_a_copied_security_group_is_never_shared_with_another_project(
    cloud: RunningCloud, owner: Tenant, driver: ForeignDriver, *, is_named_by_rule: bool
) -> None:
    network = replace(NETWORK, id="20000000-0000-4000-8000-000000000004", cloud_id="net-2", subnets=[])
    group = replace(
        GROUP,
        id="20000000-0000-4000-8000-000000000005",
        rules=[NewRule(direction="ingress", remote_group_id=GROUP.id)],
    )
    port = replace(
        OTHER_PORT,
        network_id=network.id,
        addresses=[],
        group_ids=[group.id if is_named_by_rule else GROUP.id],
    )
    driver.resources = replace(
        resources(),
        networks=[NETWORK, network],
        machines=[MACHINE, replace(OTHER_MACHINE, ports=[port])],
        groups={GROUP.id: GROUP, group.id: group},
    )
    for kind, cloud_id in (("network", "net"), ("instance", "server")):
        assert (await adopt(owner, kind, cloud_id)).status_code == 200

    async with new_tenant(cloud) as other:
        body = {"kind": "network", "cloud_id": "net-2"}
        path, client = f"/_pileus/adoptions/{other.project_id}/{PLACE}", {"client_id": other.client_id}
        assert (await owner.operator.post(path, json=body, params=client)).status_code == 200
        body = {"kind": "instance", "cloud_id": "other"}
        refused = await owner.operator.post(path, json=body, params=client)
        groups = (await other.api.get(f"/cloud/v1/securitygroups/{other.project_id}/{PLACE}")).json()["results"]

    assert (refused.status_code, "web is of another project" in refused.json()["message"]) == (409, True)
    assert [group["name"] for group in groups if group["name"] == "web"] == []
    assert driver.marked == [NETWORK.id, MACHINE.id, network.id]
    assert [group.id for group in driver.copies] == [GROUP.id]


async def test_a_security_group_is_copied_once_and_stays_as_the_tenant_changes_it(
    owner: Tenant, driver: ForeignDriver
) -> None:
    driver.resources = replace(resources(), machines=[MACHINE, OTHER_MACHINE])

    for kind, cloud_id in (("network", "net"), ("instance", "server"), ("instance", "other")):
        assert (await adopt(owner, kind, cloud_id)).status_code == 200

    assert [group.id for group in driver.copies] == [GROUP.id]
    groups = (await owner.api.get(f"/cloud/v1/securitygroups/{owner.project_id}/{PLACE}")).json()["results"]
    assert [group["id"] for group in groups if group["name"] == "web"] == [GROUP.id]
    assert await list_obstacles(owner) == {}


@pytest.mark.usefixtures("driver")
async def test_an_adopted_instance_can_be_deleted_and_gives_back_what_it_used(owner: Tenant) -> None:
    for kind, cloud_id in (("network", "net"), ("instance", "server")):
        assert (await adopt(owner, kind, cloud_id)).status_code == 200
    path = f"/cloud/v1/instances/{owner.project_id}/{PLACE}/{MACHINE.id}"

    await owner.wait_until_finished(await owner.api.delete(path, params={"volumes": DISK.id}))

    (usage,) = [
        quotas
        for quotas in (await owner.api.get("/cloud/v2/client_quotas")).json()["regional_quotas"]
        if quotas["region_id"] == PLACE
    ]
    names = ("vm_count", "volume_count", "volume_size", "network_count", "subnet_count")
    assert [usage[f"{name}_usage"] for name in names] == [0, 0, 0, 1, 1]


async def test_an_external_address_is_one_of_the_catalogue(owner: Tenant, driver: ForeignDriver) -> None:
    network_id = derive_external_network_id(PLACE, "pub_net")
    async with owner.running.app_state.db.read() as tx:
        (subnet, *_) = await subnets.list_by_network(tx, network_id)
    address = str(ip_network(subnet.cidr)[77])
    driver.resources = resources(ports=[replace(PORT, network_id=network_id, addresses=[address])], volumes=[])

    assert (await list_obstacles(owner))["server"] is None


async def test_a_driver_that_finds_nothing_of_others_is_a_conflict(owner: Tenant) -> None:
    answer = await adopt(owner, "network", "net", region_id=1)

    assert (answer.status_code, "nothing to adopt" in answer.json()["message"]) == (409, True)


async def test_a_project_of_another_tenant_needs_its_client_id(
    cloud: RunningCloud, owner: Tenant, driver: ForeignDriver
) -> None:
    async with new_tenant(cloud) as other:
        path = f"/_pileus/adoptions/{owner.project_id}/{PLACE}"
        body = {"kind": "network", "cloud_id": "net"}
        refused = await other.operator.post(path, json=body)
        adopted = await other.operator.post(path, json=body, params={"client_id": owner.client_id})

    assert (refused.status_code, adopted.status_code) == (404, 200)
    assert driver.marked == [NETWORK.id]
    view = (await owner.api.get(f"/cloud/v1/networks/{owner.project_id}/{PLACE}/{NETWORK.id}")).json()
    assert (view["name"], view["mtu"]) == ("legacy-net", 1400)


async def test_what_cannot_be_adopted_does_not_count_for_the_others(owner: Tenant, driver: ForeignDriver) -> None:
    # It fails after its records and the copy of its security group have been saved.
    failing = replace(OTHER_MACHINE, ports=[replace(OTHER_PORT, addresses=["10.8.0.1"])])
    driver.resources = replace(resources(), machines=[failing, MACHINE])
    limits = {"vm_count": 1}
    await owner.running.app_state.db.write(lambda tx: quotas.set_limits(tx, owner.client_id, PLACE, limits))

    obstacles = await list_obstacles(owner)

    assert "Address 10.8.0.1 is in no subnet" in (obstacles["other"] or "")
    assert obstacles["server"] is None


async def test_what_a_project_has_already_is_neither_marked_again_nor_adopted_by_another(
    cloud: RunningCloud, owner: Tenant, driver: ForeignDriver
) -> None:
    volume = replace(DISK, id="20000000-0000-4000-8000-000000000003", cloud_id="data", machine_id=None)
    driver.resources = replace(resources(), volumes=[volume])
    adoptions = (("network", "net"), ("volume", "data"), ("instance", "server"))
    for kind, cloud_id in adoptions:
        assert (await adopt(owner, kind, cloud_id)).status_code == 200
    marked = list(driver.marked)

    async with new_tenant(cloud) as other:
        refused = [await adopt(other, kind, cloud_id) for kind, cloud_id in adoptions]
    repeated = [await adopt(owner, kind, cloud_id) for kind, cloud_id in adoptions]

    assert [answer.status_code for answer in refused] == [409] * 3
    assert {"adopted into another project" in answer.json()["message"] for answer in refused} == {True}
    assert [(answer.status_code, answer.json()["obstacle"]) for answer in repeated] == [(200, None)] * 3
    assert driver.marked == marked == [NETWORK.id, volume.id, MACHINE.id]


async def test_a_volume_that_no_server_has_is_adopted_alone(owner: Tenant, driver: ForeignDriver) -> None:
    volume = replace(DISK, id="20000000-0000-4000-8000-000000000003", cloud_id="data", name="data", machine_id=None)
    driver.resources = replace(resources(), volumes=[DISK, volume])

    assert (await list_obstacles(owner))["data"] is None
    assert (await adopt(owner, "volume", "data")).status_code == 200

    view = (await owner.api.get(f"/cloud/v1/volumes/{owner.project_id}/{PLACE}/{volume.id}")).json()
    assert (view["name"], view["size"], view["status"]) == ("data", 5, "available")
    assert "data" not in await list_obstacles(owner)
    assert driver.marked == [volume.id]
