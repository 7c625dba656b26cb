"""Rebuild a bare metal server: install an image and delete all data on its disks."""

from pileus.domain.compute.flavors import Flavor, boot_misfit_reason
from pileus.domain.compute.images import Image, ImageStatus
from pileus.domain.compute.instance_plan import image_system_tags, require_allowed_ssh_key
from pileus.domain.compute.instances import FirstBootData, Instance
from pileus.domain.compute.user_data import require_valid_user_data
from pileus.domain.errors import Conflict, invalid
from pileus.domain.tags import Tag, Tags, make_tags


def plan_rebuild(  # noqa: PLR0913, PLR0917  # the request and its context
    instance: Instance, flavor: Flavor | None, image: Image, user_data: str | None, task_id: str, now: int
) -> Instance:
    """Return the server in its rebuild state. Raises Invalid or Conflict."""
    rebuilding = instance.rebuilding(FirstBootData(user_data=require_valid_user_data(user_data)), task_id, now)
    if image.status != ImageStatus.ACTIVE:
        raise Conflict(f"Image {image.id} is {image.status}")
    if flavor is not None and (reason := boot_misfit_reason(flavor, image)):
        raise invalid(image_id=reason)
    require_allowed_ssh_key(instance.ssh_key_id, image)
    return rebuilding


def with_image_system_tags(tags: Tags, image: Image) -> dict[str, Tag]:
    """Replace the system tags that describe the image."""
    return dict(tags) | make_tags(image_system_tags(image).items(), read_only=True)
