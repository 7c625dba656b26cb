"""Servers in front of the double of OpenStack, and instances in their regions."""

import itertools
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pileus.app import RunningCloud, run_cloud
from pileus.domain.catalogue import derive_public_image_id
from pileus.drivers.openstack.driver import Openstack
from pileus.drivers.openstack.names import MACHINE_TAG
from pileus.tasks import changed_resources, missing_resources
from tests.app_settings import checked_settings
from tests.drivers.openstack.exchanges import ExchangeServer, write_clouds
from tests.regions.clouds import catalogue_text
from tests.tenants import Tenant, new_tenant

HOURS = 100_000.0
SYSTEM = "debian-12-generic-x64"


@pytest.fixture
def clouds(
    tmp_path: Path, cloud_server: ExchangeServer, poll_interval: float, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Run a server whose regions are in clouds of clouds.yaml; the first one is `cloud_server`.

    It looks for missing and changed resources once, at its start: a recording can take long.
    """
    for module in (missing_resources, changed_resources):
        monkeypatch.setattr(module, "INTERVAL", HOURS)

    @asynccontextmanager
    async def run(regions: dict[int, str], **others: ExchangeServer) -> AsyncIterator[RunningCloud]:
        write_clouds(tmp_path / "clouds.yaml", double=cloud_server, **others)
        (tmp_path / "catalogue.toml").write_text(catalogue_text(regions))
        settings = checked_settings(
            data=tmp_path / "data",
            driver="openstack",
            catalogue=str(tmp_path / "catalogue.toml"),
            drivers={
                "openstack": {
                    "config": str(tmp_path / "clouds.yaml"),
                    "cloud": "double",
                    "poll_interval": poll_interval,
                }
            },
        )
        async with run_cloud(settings) as cloud:
            # The ids are those of the recording. Those of tasks and claims are not sent to OpenStack.
            cloud.app_state.new_id = lambda: str(uuid.uuid4())
            yield cloud

    return run


@pytest.fixture
async def tenant(clouds: Callable[..., Any]) -> AsyncIterator[Tenant]:
    """A tenant of a server whose only region is in OpenStack."""
    async with clouds({}) as cloud, new_tenant(cloud) as owner:
        yield owner


async def new_subnet(tenant: Tenant, region_id: int = 1) -> dict[str, str]:
    """Create a network with a subnet, and return the order of an interface in it."""
    place = f"{tenant.project_id}/{region_id}"
    network = {"name": "inside", "create_router": False}
    task = await tenant.wait_until_finished(await tenant.api.post(f"/cloud/v1/networks/{place}", json=network))
    (network_id,) = task["created_resources"]["networks"]
    subnet = {"name": "inside", "network_id": network_id, "cidr": "10.7.0.0/24", "connect_to_network_router": False}
    task = await tenant.wait_until_finished(await tenant.api.post(f"/cloud/v1/subnets/{place}", json=subnet))
    return {"type": "subnet", "network_id": network_id, "subnet_id": task["created_resources"]["subnets"][0]}


async def order(tenant: Tenant, interface: dict[str, str], region_id: int = 1) -> str:
    """Order an instance with a volume of its own, and return the task."""
    volume = {"source": "image", "image_id": derive_public_image_id(region_id, SYSTEM), "size": 5, "boot_index": 0}
    body = {"name": "web", "flavor": "g1-standard-1-2", "interfaces": [interface], "volumes": [volume]}
    answer = await tenant.api.post(f"/cloud/v2/instances/{tenant.project_id}/{region_id}", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["tasks"][0])


async def delete_all(tenant: Tenant, instance_ids: list[str], network_id: str, region_id: int = 1) -> None:
    """Delete instances with their volumes, and the network of `new_subnet`."""
    place = f"{tenant.project_id}/{region_id}"
    for instance_id in instance_ids:
        path = f"/cloud/v1/instances/{place}/{instance_id}"
        volume_ids = [volume["id"] for volume in (await tenant.api.get(path)).json()["volumes"]]
        answer = await tenant.api.delete(path, params={"volumes": ",".join(volume_ids)})
        await tenant.wait_until_finished(answer)
    await tenant.wait_until_finished(await tenant.api.delete(f"/cloud/v1/networks/{place}/{network_id}"))


def driver_of(tenant: Tenant, region_id: int = 1) -> Openstack:
    """Return the driver of a region."""
    driver = tenant.running.drivers.require(region_id)
    assert isinstance(driver, Openstack)
    return driver


async def list_remaining(driver: Openstack) -> list[str]:
    """Return the names of what OpenStack has of Pileus, without security groups."""
    lists = {
        "volumes": ("block-storage", "/volumes"),
        "ports": ("network", "/ports"),
        "networks": ("network", "/networks"),
    }
    items = [(await driver.cloud.get(*place))[kind] for kind, place in lists.items()]
    servers = (await driver.cloud.get("compute", "/servers", tags=MACHINE_TAG))["servers"]
    names = [item["name"] or "" for item in itertools.chain(*items)]
    return [name for name in names if name.startswith("pileus-")] + [server["name"] for server in servers]


async def wait_for_started_tasks(tenant: Tenant) -> list[tuple[str, str]]:
    """Wait for the tasks that no request has started; return their types and states."""
    async with tenant.running.app_state.db.read() as tx:
        rows = await tx.all("SELECT id, task_type FROM tasks WHERE user_id = 0 ORDER BY id")
    return [(task_type, (await tenant.wait_for_task(task_id))["state"]) for task_id, task_type in rows]
