"""Giving an instance another flavor: which it may take, and what that counts against quotas."""

from pileus.domain.compute.app_templates import AppTemplate
from pileus.domain.compute.flavors import Flavor, misfit_reason
from pileus.domain.compute.images import Image
from pileus.domain.compute.instances import Instance
from pileus.domain.errors import NoCapacity, invalid


def require_flavor_change(instance: Instance, flavor: Flavor | None, flavor_id: str) -> Flavor:
    """The flavor that was asked for, if it may be taken at all; raises Invalid or NoCapacity."""
    if flavor is None:
        raise invalid(flavor_id=f"Flavor {flavor_id} could not be found")
    if flavor.id == instance.flavor_id:
        raise invalid(flavor_id=f"Instance {instance.id} has flavor {flavor.id} already")
    if flavor.kind != instance.kind:
        raise invalid(flavor_id=f"Flavor {flavor.id} is for servers of another kind")
    if flavor.disabled:
        raise NoCapacity(f"Flavor {flavor.id} is disabled")
    return flavor


def check_flavor_fits_image(flavor: Flavor, image: Image | None, template: AppTemplate | None) -> Flavor:
    """The flavor itself if what the instance boots from can run on it; raises Invalid."""
    if reason := misfit_reason(flavor, image, template):
        raise invalid(flavor_id=reason)
    return flavor


def quota_growth(before: Flavor | None, after: Flavor) -> dict[str, int]:
    """What the change counts against quotas, where that is more than it counted before."""
    counted = before.quota_counts if before else {}
    more = {name: number - counted.get(name, 0) for name, number in after.quota_counts.items()}
    return {name: number for name, number in more.items() if number > 0}
