"""What others have created in an OpenStack cloud is adopted, on the recorded double."""

import json
from pathlib import Path
from typing import Any

from pileus.drivers.openstack.cloud import Json
from pileus.drivers.openstack.driver import Openstack
from pileus.drivers.openstack.names import MACHINE_TAG, engine_name
from tests.cli.conftest import Run, run
from tests.drivers.openstack.exchanges import ExchangeServer, write_clouds
from tests.drivers.openstack.foreign_clouds import create_foreign_resources, delete_what_is_left
from tests.drivers.openstack.installations import clouds, delete_all, driver_of, list_remaining, tenant
from tests.regions.clouds import catalogue_text
from tests.servers import KEY, run_server
from tests.tenants import Tenant

__all__ = ["clouds", "run", "tenant"]


async def list_foreign(tenant: Tenant) -> list[dict[str, Any]]:
    """Return what the cloud has, with the obstacles."""
    answer = await tenant.operator.get(f"/_pileus/foreign_resources/{tenant.place_path}")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["results"])


async def adopt(tenant: Tenant, row: dict[str, Any]) -> Any:
    """Try to adopt a resource, and return the response."""
    body = {"kind": row["kind"], "cloud_id": row["cloud_id"]}
    return await tenant.operator.post(f"/_pileus/adoptions/{tenant.place_path}", json=body)


async def read_marks(tenant: Tenant, resources: dict[str, Json]) -> tuple[list[str], list[str]]:
    """Return the tags of the server, and the names of the network, the group and the volume."""
    cloud = driver_of(tenant).cloud
    server = (await cloud.get("compute", f"/servers/{resources['server']['id']}"))["server"]
    network = (await cloud.get("network", f"/networks/{resources['network']['id']}"))["network"]
    group = (await cloud.get("network", f"/security-groups/{resources['group']['id']}"))["security_group"]
    volume = (await cloud.get("block-storage", f"/volumes/{resources['volume']['id']}"))["volume"]
    return sorted(server["tags"]), [network["name"], group["name"], volume["name"]]


async def test_a_list_of_foreign_resources_changes_nothing(tenant: Tenant) -> None:
    driver = driver_of(tenant)
    resources = await create_foreign_resources(driver)

    rows = await list_foreign(tenant)

    assert [(row["kind"], row["name"], row["obstacle"]) for row in rows] == [
        ("network", "legacy-net", None),
        ("volume", "legacy-data", None),
        ("instance", "legacy", None),
        ("router", "legacy-router", "Resources of this kind are not adopted: they stay as they are"),
    ]
    assert [row["cloud_id"] for row in rows] == [
        resources[kind]["id"] for kind in ("network", "volume", "server", "router")
    ]
    assert await read_marks(tenant, resources) == ([], ["legacy-net", "web", "legacy-data"])
    assert (await tenant.api.get(tenant.path("instances"))).json()["count"] == 0
    # They are adopted to be deleted by Pileus.
    for row in rows[:3]:
        assert (await adopt(tenant, row)).status_code == 200
    await delete_adopted(tenant, rows)
    await delete_what_is_left(driver, resources)


async def delete_adopted(tenant: Tenant, rows: list[dict[str, Any]]) -> None:
    """Delete what has been adopted, as the tenant; OpenStack must have nothing of Pileus then."""
    network_id, volume_id, instance_id = (row["id"] for row in rows[:3])
    await tenant.wait_until_finished(await tenant.api.delete(tenant.path("volumes", volume_id)))
    await delete_all(tenant, [instance_id], network_id)
    for group in (await tenant.api.get(tenant.path("securitygroups"))).json()["results"]:
        if group["name"] != "default":
            await tenant.api.delete(tenant.path("securitygroups", group["id"]))
    assert await list_remaining(driver_of(tenant)) == []


async def test_an_adopted_server_is_an_instance_like_any_other(tenant: Tenant, cloud_server: ExchangeServer) -> None:
    driver = driver_of(tenant)
    resources = await create_foreign_resources(driver)
    rows = await list_foreign(tenant)
    network, volume, server, _ = rows

    too_early = await adopt(tenant, server)
    assert (too_early.status_code, too_early.json()["message"].rpartition(": ")[2]) == (409, "adopt the network first")
    for row in (network, network, volume, volume):
        assert (await adopt(tenant, row)).json() == row
    cloud_server.changes_until_loss = 4
    interrupted = await adopt(tenant, server)
    assert interrupted.status_code == 503
    assert [row["obstacle"] for row in await list_foreign(tenant) if row["kind"] == "instance"] == [None]
    assert [(await adopt(tenant, server)).json() for _ in range(2)] == [server, server]

    await check_instance(tenant, server["id"], resources)
    assert [row["kind"] for row in await list_foreign(tenant)] == ["router"]
    stopping = await tenant.api.post(
        tenant.path("instances", server["id"], "action", version=2), json={"action": "stop"}
    )
    await tenant.wait_until_finished(stopping)
    assert (await driver.servers.require(server["id"]))["status"] == "SHUTOFF"
    await delete_adopted(tenant, rows)
    await delete_what_is_left(driver, resources)


async def check_instance(tenant: Tenant, instance_id: str, resources: dict[str, Json]) -> None:
    """Check what the API shows of the adopted server, and its marks in OpenStack."""
    view = (await tenant.api.get(tenant.path("instances", instance_id))).json()
    addresses = [address["addr"] for items in view["addresses"].values() for address in items]
    assert (view["name"], view["status"], addresses) == ("legacy", "ACTIVE", ["10.9.0.20"])
    assert [item["delete_on_termination"] for item in view["volumes"]] == [True]
    assert [group["name"] for group in view["security_groups"]] == ["web"]
    tags, names = await read_marks(tenant, resources)
    assert tags == sorted((MACHINE_TAG, engine_name(instance_id)))
    # Others may use the security group: it stays as it is, and the instance has a copy.
    assert names[1] == "web"
    (copy,) = [
        group
        for group in (await tenant.api.get(tenant.path("securitygroups"))).json()["results"]
        if group["name"] == "web"
    ]
    assert (80, 80) in {(rule["port_range_min"], rule["port_range_max"]) for rule in copy["security_group_rules"]}
    ports = await driver_of(tenant).cloud.get("network", "/ports", device_id=resources["server"]["id"])
    assert [len(port["security_groups"]) for port in ports["ports"]] == [1]
    assert resources["group"]["id"] not in ports["ports"][0]["security_groups"]
    actions = (await tenant.api.get("/cloud/v1/user_actions", params={"action_type": "create"})).json()["results"]
    adopted_groups = {action["api_group"] for action in actions if "cloud_id" in (action["action_data"] or {})}
    assert adopted_groups == {"network", "volume", "instance"}


async def test_an_unknown_resource_of_the_cloud_is_not_found(tenant: Tenant) -> None:
    answer = await adopt(tenant, {"kind": "network", "cloud_id": "00000000-0000-4000-8000-000000000000"})

    assert answer.status_code == 404
    assert "Foreign network" in answer.json()["message"]


async def test_the_command_shows_adopts_and_has_nothing_more_to_do(
    run: Run, driver: Openstack, cloud_server: ExchangeServer, poll_interval: float, tmp_path: Path
) -> None:
    resources = await create_foreign_resources(driver)
    (tmp_path / "catalogue.toml").write_text(catalogue_text({}))
    write_clouds(tmp_path / "clouds.yaml", double=cloud_server)
    variables = {"CONFIG": tmp_path / "clouds.yaml", "CLOUD": "double", "POLL_INTERVAL": poll_interval}
    options = ("--driver", "openstack", "--catalogue", str(tmp_path / "catalogue.toml"))
    settings = {f"PILEUS_OPENSTACK_{name}": str(value) for name, value in variables.items()}
    with run_server(tmp_path / "data", *options, **settings) as server:
        command = ("adopt", "--url", server.url, "--key", KEY, "-o", "json")
        planned = json.loads(run(*command).stdout)
        adopted = json.loads(run(*command, "--apply").stdout)
        repeated = run(*command, "--apply")
        named = run(*command, "--apply", resources["router"]["id"])

    assert [(row["kind"], row["obstacle"]) for row in planned[:3]] == [
        ("network", None),
        ("volume", None),
        ("instance", None),
    ]
    assert adopted == planned[:3]
    assert (repeated.exit_code, json.loads(repeated.stdout)) == (0, [])
    assert (named.exit_code, "1 of 1 resources are not adopted" in named.stderr) == (1, True)
    assert engine_name(planned[2]["id"]) in (await driver.servers.require(planned[2]["id"]))["tags"]
    await delete_adopted_from_cloud(driver, [row["id"] for row in planned[:3]])
    await delete_what_is_left(driver, resources)


async def delete_adopted_from_cloud(driver: Openstack, ids: list[str]) -> None:
    """Delete what the command has adopted."""
    network_id, volume_id, machine_id = ids
    server = await driver.servers.require(machine_id)
    port = (await driver.cloud.get("network", "/ports", device_id=server["id"]))["ports"][0]
    await driver.ensure_no_machine(machine_id)
    await driver.ensure_no_volume(volume_id)
    await driver.ensure_no_network(network_id)
    await driver.cloud.delete("network", f"/security-groups/{port['security_groups'][0]}")
