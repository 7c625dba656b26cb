"""Scenarios of the operations on images."""

from tests.builders import an_image, an_instance
from tests.image_server import image_url
from tests.storage import a_volume
from tests.tasks.scenario import Scenario, SendRequest, request
from tests.tenants import Tenant


async def _create_image(tenant: Tenant) -> SendRequest:
    """The volume is in use."""
    volume = await a_volume(tenant, await an_instance(tenant), bootable=True)
    return request("POST", tenant.path("images"), {"name": "fresh", "volume_id": volume.id, "tags": {"a": "b"}})


async def _download_image(tenant: Tenant) -> SendRequest:
    body = {"name": "fresh", "url": image_url("qcow2"), "tags": {"a": "b"}}
    return request("POST", tenant.path("downloadimage"), body)


async def _delete_image(tenant: Tenant) -> SendRequest:
    return request("DELETE", tenant.path("images", (await an_image(tenant)).id))


IMAGE_SCENARIOS: dict[str, Scenario] = {
    "create_image": Scenario(_create_image),
    "download_image": Scenario(_download_image),
    "delete_image": Scenario(_delete_image, irreversible=True),
}
