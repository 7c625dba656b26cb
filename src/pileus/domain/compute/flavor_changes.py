"""Changes of an instance's flavor: which flavors are possible, and the additional quota."""

from pileus.domain.compute.app_templates import AppTemplate
from pileus.domain.compute.flavors import Flavor, boot_misfit_reason
from pileus.domain.compute.images import Image
from pileus.domain.compute.instances import Instance
from pileus.domain.errors import NoCapacity, invalid


def require_allowed_flavor_change(instance: Instance, flavor: Flavor | None, flavor_id: str) -> Flavor:
    """Return the requested flavor if the instance can change to it. Raises Invalid or NoCapacity."""
    if flavor is None:
        raise invalid(flavor_id=f"Flavor {flavor_id} could not be found")
    if flavor.id == instance.flavor_id:
        raise invalid(flavor_id=f"Instance {instance.id} has flavor {flavor.id} already")
    if flavor.kind != instance.kind:
        raise invalid(flavor_id=f"Flavor {flavor.id} is for servers of another kind")
    if flavor.disabled:
        raise NoCapacity(f"Flavor {flavor.id} is disabled")
    return flavor


def require_flavor_fits_image(flavor: Flavor, image: Image | None, template: AppTemplate | None) -> Flavor:
    """Return the flavor if the image can boot on it. Raises Invalid."""
    if reason := boot_misfit_reason(flavor, image, template):
        raise invalid(flavor_id=reason)
    return flavor


def quota_increases(before: Flavor | None, after: Flavor) -> dict[str, int]:
    """Return the quota counts that increase, and by how much."""
    counts_before = before.quota_counts_per_server if before else {}
    growth = {name: number - counts_before.get(name, 0) for name, number in after.quota_counts_per_server.items()}
    return {name: number for name, number in growth.items() if number > 0}
