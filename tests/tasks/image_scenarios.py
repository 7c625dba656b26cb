"""How each operation on images comes about."""

from tests.builders import an_image, an_instance
from tests.image_server import image_url
from tests.storage import a_volume
from tests.tasks.scenario import Ask, Story, asking
from tests.tenants import Tenant


async def _create_image(tenant: Tenant) -> Ask:
    """Of a volume in use."""
    volume = await a_volume(tenant, await an_instance(tenant), bootable=True)
    return asking("POST", tenant.path("images"), {"name": "fresh", "volume_id": volume.id, "tags": {"a": "b"}})


async def _download_image(tenant: Tenant) -> Ask:
    body = {"name": "fresh", "url": image_url("qcow2"), "tags": {"a": "b"}}
    return asking("POST", tenant.path("downloadimage"), body)


async def _delete_image(tenant: Tenant) -> Ask:
    return asking("DELETE", tenant.path("images", (await an_image(tenant)).id))


IMAGE_STORIES: dict[str, Story] = {
    "create_image": Story(_create_image),
    "download_image": Story(_download_image),
    "delete_image": Story(_delete_image, lasting=True),
}
