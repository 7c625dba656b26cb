"""Request bodies for lifecycle policies."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from pileus.api.wire.constraints import END, Uuid
from pileus.api.wire.patches import sent_fields
from pileus.api.wire.storage.schedule_requests import CreateSchedule
from pileus.domain import limits
from pileus.domain.storage.schedules import NewSchedule

PolicyName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9][a-zA-Z 0-9._\-]{1,61}[a-zA-Z0-9._]" + END)]
NewName = Annotated[str, Meta(min_length=1, max_length=255)]
Action = Literal["volume_snapshot"]
Status = Literal["active", "paused"]
NewSchedules = Annotated[list[CreateSchedule], Meta(max_length=limits.POLICY_SCHEDULES.value)]


class CreateLifecyclePolicy(Struct, kw_only=True):
    """A new policy, or a policy to price."""

    name: NewName
    action: Action
    status: Status = "active"
    schedules: NewSchedules = field(default_factory=list)
    volume_ids: Annotated[list[Uuid], Meta(max_length=limits.IDS.value)] = field(default_factory=list)


class UpdateLifecyclePolicy(Struct, kw_only=True):
    """Changes of a policy. Absent fields do not change."""

    name: PolicyName | UnsetType = UNSET
    status: Status | UnsetType = UNSET

    def changed_fields(self) -> dict[str, Any]:
        """Return the fields that were sent."""
        return sent_fields(self)


class AddSchedules(Struct, kw_only=True):
    """New schedules of a policy."""

    schedules: NewSchedules


class RemoveSchedules(Struct, kw_only=True):
    """The schedules to delete."""

    schedule_ids: Annotated[list[str], Meta(max_length=limits.IDS.value)]


class PolicyVolumeIds(Struct, kw_only=True):
    """The volumes to add to a policy, or to remove from it."""

    volume_ids: Annotated[list[str], Meta(max_length=limits.IDS.value)]


class PolicyPriceRequest(Struct, kw_only=True):
    """A policy to price by volume type."""

    volume_ids: Annotated[list[Uuid], Meta(min_length=1, max_length=limits.PRICED_VOLUMES.value)]
    schedules: NewSchedules = field(default_factory=list)


def to_new_schedules(body: CreateLifecyclePolicy | AddSchedules | PolicyPriceRequest) -> list[NewSchedule]:
    """Return the domain's descriptions of the schedules, not yet checked."""
    return [schedule.to_new_schedule() for schedule in body.schedules]
