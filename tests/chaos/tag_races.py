"""The races of tags: a request that changes the tags of a resource and one that deletes the resource."""

from tests.builders import an_image
from tests.chaos.races import create, create_instance, create_network, create_subnet, create_volume, deletion
from tests.chaos.references import Request, covers
from tests.tenants import Tenant


@covers("tags.resource_id")
async def tag_volume(tenant: Tenant) -> tuple[Request, Request]:
    volume_id = await create_volume(tenant)
    use = ("POST", tenant.path("volumes", volume_id, "metadata"), {"env": "prod"})
    return use, deletion(tenant, "volumes", volume_id)


@covers("tags.resource_id")
async def tag_snapshot(tenant: Tenant) -> tuple[Request, Request]:
    body = {"name": "before", "volume_id": await create_volume(tenant)}
    snapshot_id = await create(tenant, "snapshots", body)
    use = ("PUT", tenant.path("snapshots", snapshot_id, "metadata"), {"env": "prod"})
    return use, deletion(tenant, "snapshots", snapshot_id)


@covers("tags.resource_id")
async def tag_instance(tenant: Tenant) -> tuple[Request, Request]:
    instance_id = await create_instance(tenant)
    use = ("PATCH", tenant.path("instances", instance_id), {"tags": {"env": "prod"}})
    return use, deletion(tenant, "instances", instance_id)


@covers("tags.resource_id")
async def tag_floating_ip(tenant: Tenant) -> tuple[Request, Request]:
    floating_ip_id = await create(tenant, "floatingips", {})
    use = ("POST", tenant.path("floatingips", floating_ip_id, "metadata"), {"env": "prod"})
    return use, deletion(tenant, "floatingips", floating_ip_id)


def patch_of_tags(tenant: Tenant, noun: str, resource_id: str) -> Request:
    return "PATCH", tenant.path(noun, resource_id), {"tags": {"env": "prod"}}


@covers("tags.resource_id")
async def patch_tags_of_volume(tenant: Tenant) -> tuple[Request, Request]:
    volume_id = await create_volume(tenant)
    return patch_of_tags(tenant, "volumes", volume_id), deletion(tenant, "volumes", volume_id)


@covers("tags.resource_id")
async def patch_tags_of_snapshot(tenant: Tenant) -> tuple[Request, Request]:
    snapshot_id = await create(tenant, "snapshots", {"name": "before", "volume_id": await create_volume(tenant)})
    return patch_of_tags(tenant, "snapshots", snapshot_id), deletion(tenant, "snapshots", snapshot_id)


@covers("tags.resource_id")
async def patch_tags_of_image(tenant: Tenant) -> tuple[Request, Request]:
    image = await an_image(tenant)
    return patch_of_tags(tenant, "images", image.id), deletion(tenant, "images", image.id)


@covers("tags.resource_id")
async def patch_tags_of_subnet(tenant: Tenant) -> tuple[Request, Request]:
    subnet_id = await create_subnet(tenant, await create_network(tenant))
    return patch_of_tags(tenant, "subnets", subnet_id), deletion(tenant, "subnets", subnet_id)


@covers("tags.resource_id")
async def patch_tags_of_floating_ip(tenant: Tenant) -> tuple[Request, Request]:
    floating_ip_id = await create(tenant, "floatingips", {})
    return patch_of_tags(tenant, "floatingips", floating_ip_id), deletion(tenant, "floatingips", floating_ip_id)
