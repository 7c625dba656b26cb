"""Lifecycle policies: which volumes are photographed by which schedules."""

from enum import StrEnum

from msgspec import Struct


class PolicyStatus(StrEnum):
    """Whether a policy's schedules run."""

    ACTIVE = "active"
    PAUSED = "paused"


class LifecyclePolicy(Struct, frozen=True, kw_only=True):
    """A policy; its schedules and volumes are kept beside it."""

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
        """Whether its schedules run."""
        return self.status == PolicyStatus.ACTIVE
