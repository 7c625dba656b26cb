"""What somebody has created in the cloud without Pileus: a network with a server, and what is beside them."""

from typing import Any

from pileus.drivers.openstack.cloud import Json
from pileus.drivers.openstack.driver import Openstack

LEFT_ALONE = {"router": "/routers", "group": "/security-groups"}
"""What is never adopted, and where it is."""


async def create_foreign_resources(driver: Openstack) -> dict[str, Json]:
    """Create a network, a subnet, a security group with a rule, a server, a volume and a router; return them."""
    network = await _create(driver, "network", name="legacy-net")
    subnet = {"name": "legacy-subnet", "network_id": network["id"], "cidr": "10.9.0.0/24", "ip_version": 4}
    await _create(driver, "subnet", **subnet)
    group = await _create(driver, "security_group", name="web", description="Pages")
    rule = {"direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 80}
    await _create(driver, "security_group_rule", security_group_id=group["id"], **rule)
    port = {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.9.0.20"}], "security_groups": [group["id"]]}
    created_port = await _create(driver, "port", name="legacy-port", **port)
    return {
        "network": network,
        "group": group,
        "server": await _create_server(driver, created_port["id"]),
        "volume": await _create_volume(driver),
        "router": await _create(driver, "router", name="legacy-router"),
    }


async def delete_what_is_left(driver: Openstack, resources: dict[str, Json]) -> None:
    """Delete what stays foreign."""
    for kind, path in LEFT_ALONE.items():
        await driver.cloud.delete("network", f"{path}/{resources[kind]['id']}")


async def _create(driver: Openstack, kind: str, **order: Any) -> Json:
    created: Json = (await driver.cloud.post("network", f"/{kind.replace('_', '-')}s", {kind: order}))[kind]
    return created


async def _create_server(driver: Openstack, port_id: str) -> Json:
    """Create a server with a boot volume of its own, and wait until it runs."""
    boot = {
        "uuid": await driver.names.require_image_id_of_name("blank"),
        "source_type": "image",
        "destination_type": "volume",
        "volume_size": 1,
        "boot_index": 0,
        "delete_on_termination": True,
    }
    order = {
        "name": "legacy",
        "flavorRef": await driver.names.require_flavor_id("g1-standard-1-2"),
        "networks": [{"port": port_id}],
        "block_device_mapping_v2": [boot],
    }
    server = (await driver.cloud.post("compute", "/servers", {"server": order}))["server"]
    return await driver.servers.wait_until_idle(server)


async def _create_volume(driver: Openstack) -> Json:
    order = {"name": "legacy-data", "size": 1, "volume_type": "standard"}
    volume = (await driver.cloud.post("block-storage", "/volumes", {"volume": order}))["volume"]
    return await driver.volumes.wait_until_idle(volume)
