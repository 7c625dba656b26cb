"""Hanging a volume on an instance: which instances take it, and where it goes."""

from collections.abc import Sequence

from pileus.domain.compute.instances import Instance, Status
from pileus.domain.errors import Conflict, invalid
from pileus.domain.storage.volumes import Attachment, Volume, device_name

BASIC_FLAVORS_ONLY = "ultra"
"""The type of volumes that only instances of shared flavors take."""
ATTACHABLE_STATUSES = frozenset({Status.ACTIVE, Status.SHUTOFF, Status.PAUSED, Status.SUSPENDED})
"""The statuses in which an instance takes and gives volumes."""


def plan_attachment(  # noqa: PLR0913  # each is a fact of its own
    volume: Volume,
    instance: Instance,
    existing: Sequence[Attachment],
    *,
    is_basic: bool,
    tag: str | None,
    new_id: str,
    now: int,
) -> Attachment:
    """Give a volume the first free place on an instance; raises Conflict or Invalid where it cannot hang.

    `shared` says whether the instance's flavor is a shared one, `others` what hangs on it already.
    """
    if not instance.is_virtual:
        raise Conflict(f"Instance {instance.id} is a bare metal server: it takes no volumes")
    require_volumes_changeable(instance)
    if volume.type_name == BASIC_FLAVORS_ONLY and not is_basic:
        raise Conflict(f"Volume {volume.id} is of type {BASIC_FLAVORS_ONLY}: only instances of shared flavors take it")
    if tag is not None and any(other.attachment_tag == tag for other in existing):
        raise invalid(attachment_tag=f"Another volume of instance {instance.id} has it")
    taken = {other.device for other in existing}
    free = next(name for at in range(len(taken) + 1) if (name := device_name(at)) not in taken)
    return Attachment(
        volume_id=volume.id, id=new_id, instance_id=instance.id, device=free, attachment_tag=tag, attached_at=now
    )


def require_volumes_changeable(instance: Instance) -> Instance:
    """The instance itself if volumes can be put on it and taken off it now; raises Conflict."""
    if instance.require_unlocked().status not in ATTACHABLE_STATUSES:
        raise Conflict(f"Cannot attach or detach volumes of instance {instance.id} in status {instance.status}")
    return instance
