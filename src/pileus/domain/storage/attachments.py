"""Rules of attaching volumes to instances."""

from collections.abc import Sequence

from pileus.domain.compute.instances import Instance, Status
from pileus.domain.errors import Conflict, Invalid, invalid
from pileus.domain.limits import INSTANCE_VOLUMES
from pileus.domain.storage.volumes import Attachment, Volume, device_name

BASIC_FLAVORS_ONLY = "ultra"
"""The volume type that only instances of shared flavors can attach."""
ATTACHABLE_STATUSES = frozenset({Status.ACTIVE, Status.SHUTOFF, Status.PAUSED, Status.SUSPENDED})
"""The statuses in which volumes can be attached to an instance and detached from it."""


def plan_attachment(  # noqa: PLR0913  # the request and its context
    volume: Volume,
    instance: Instance,
    existing: Sequence[Attachment],
    *,
    is_shared_vm: bool,
    tag: str | None,
    new_id: str,
    now: int,
) -> Attachment:
    """Return the attachment of a volume, as the first free device of an instance. Raises Conflict or Invalid.

    `is_shared_vm` tells whether the instance's flavor is a shared one.
    """
    if not instance.is_virtual:
        raise Invalid(f"Instance {instance.id} is a bare metal server: volumes cannot be attached to it")
    require_volumes_changeable(instance)
    if len(existing) >= INSTANCE_VOLUMES.value:
        raise invalid(instance_id=f"Instance {instance.id} has {len(existing)} volumes already")
    if volume.type_name == BASIC_FLAVORS_ONLY and not is_shared_vm:
        raise Invalid(f"Volume {volume.id} is of type {BASIC_FLAVORS_ONLY}: only instances of shared flavors take it")
    if tag is not None and any(other.attachment_tag == tag for other in existing):
        raise invalid(attachment_tag=f"Another volume of instance {instance.id} has this tag")
    used_devices = {other.device for other in existing}
    free_device = next(
        name for position in range(len(used_devices) + 1) if (name := device_name(position)) not in used_devices
    )
    return Attachment(
        volume_id=volume.id, id=new_id, instance_id=instance.id, device=free_device, attachment_tag=tag, attached_at=now
    )


def require_volumes_changeable(instance: Instance) -> Instance:
    """Return the instance if its volumes can be attached and detached now. Raises Conflict."""
    if instance.require_unlocked().status not in ATTACHABLE_STATUSES:
        raise Conflict(f"Cannot attach or detach volumes of instance {instance.id} in status {instance.status}")
    return instance
