"""Catalogues with several drivers, and helpers for instances in their regions."""

from importlib import resources
from typing import Any

from pileus.app import RunningCloud
from pileus.domain.catalogue import derive_public_image_id
from tests.drivers.memory import MemoryDriver
from tests.orders import an_order, boot
from tests.tenants import Tenant

BUNDLED = (resources.files("pileus") / "catalogue.toml").read_text("utf-8")
REGION_TABLE = """
[[regions]]
id = {id}
display_name = "Region {id}"
slug = "region-{id}"
keystone_name = "region-{id}"
keystone_id = {id}
country = "LU"
created_at = 2024-01-01T00:00:00Z
vlan_physical_network = "vlan"
available_volume_types = ["standard"]
file_share_types = ["standard"]
has_ddos = true
has_sfs = true
{more}
"""
MEMORY = {2: 'driver = "memory"', 3: 'driver = "memory"', 4: 'driver = "memory"\ndriver_options = { rack = "b" }'}
SMALL = "g1-standard-2-4"


def catalogue_text(more: dict[int, str]) -> str:
    """Return the bundled catalogue with further regions."""
    return BUNDLED + "".join(REGION_TABLE.format(id=region_id, more=text) for region_id, text in more.items())


def memory_driver(cloud: RunningCloud, region_id: int = 2) -> MemoryDriver:
    """Return the driver of a region."""
    driver = cloud.drivers.require(region_id)
    assert isinstance(driver, MemoryDriver)
    return driver


async def create(tenant: Tenant, region_id: int, **changes: Any) -> str:
    """Create an instance in a region and return its id."""
    image_id = derive_public_image_id(region_id, "ubuntu-22.04-x64")
    order = an_order(volumes=[boot(image_id=image_id)], flavor=SMALL, **changes)
    answer = await tenant.api.post(f"/cloud/v2/instances/{tenant.project_id}/{region_id}", json=order)
    task = await tenant.wait_until_finished(answer)
    return str(task["created_resources"]["instances"][0])


def one(tenant: Tenant, region_id: int, instance_id: str) -> str:
    """Return the path of an instance."""
    return f"/cloud/v1/instances/{tenant.project_id}/{region_id}/{instance_id}"


async def status_of(tenant: Tenant, region_id: int, instance_id: str) -> str:
    """Return the status that the API shows."""
    return str((await tenant.api.get(one(tenant, region_id, instance_id))).json()["status"])
