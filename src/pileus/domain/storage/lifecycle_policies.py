"""Lifecycle policies: volumes with snapshot schedules."""

from enum import StrEnum

from msgspec import Struct


class PolicyStatus(StrEnum):
    """The states of a policy. The schedules of a paused policy do not run."""

    ACTIVE = "active"
    PAUSED = "paused"


class LifecyclePolicy(Struct, frozen=True, kw_only=True):
    """A policy. Its schedules and volumes are in other tables."""

    id: int
    client_id: int
    project_id: int
    region_id: int
    user_id: int
    name: str
    action: str = "volume_snapshot"
    status: str = PolicyStatus.ACTIVE
    created_at: int
    updated_at: int
    revision: int = 1

    @property
    def is_active(self) -> bool:
        """Return whether the policy's schedules run."""
        return self.status == PolicyStatus.ACTIVE
