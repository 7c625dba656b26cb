"""What load balancers and all of their parts have in common: their statuses, and the lock of the whole."""

from enum import StrEnum
from typing import Self

from msgspec.structs import replace

from pileus.domain.resources import TenantResource


class ProvisioningStatus(StrEnum):
    """What the control plane does with a load balancer or a part of it."""

    ACTIVE = "ACTIVE"
    ERROR = "ERROR"
    PENDING_CREATE = "PENDING_CREATE"
    PENDING_UPDATE = "PENDING_UPDATE"
    PENDING_DELETE = "PENDING_DELETE"


class OperatingStatus(StrEnum):
    """What a load balancer or a part of it does with traffic."""

    ONLINE = "ONLINE"
    OFFLINE = "OFFLINE"
    DEGRADED = "DEGRADED"
    ERROR = "ERROR"
    DRAINING = "DRAINING"
    NO_MONITOR = "NO_MONITOR"


class BalancingResource(TenantResource, frozen=True, kw_only=True):
    """A load balancer or a part of one. A new one waits for its task: it is PENDING_CREATE and OFFLINE."""

    id: str
    provisioning_status: str = ProvisioningStatus.PENDING_CREATE
    operating_status: str = OperatingStatus.OFFLINE
    admin_state_up: bool = True
    creator_task_id: str | None = None
    updated_at: int

    @property
    def is_pending_delete(self) -> bool:
        """Whether a task is deleting it: it does not take part in balancing any more."""
        return self.provisioning_status == ProvisioningStatus.PENDING_DELETE

    def creating(self, task_id: str) -> Self:
        """Lock a new record for the task that creates it."""
        return replace(self, task_id=task_id, creator_task_id=task_id)

    def updating(self, task_id: str, now: int) -> Self:
        """Lock it for a task that changes it. Raises Conflict if a task has locked it."""
        status = ProvisioningStatus.PENDING_UPDATE.value
        return replace(self.locked(task_id), provisioning_status=status, updated_at=now)

    def deleting(self, task_id: str) -> Self:
        """Lock it for a task that deletes it. Raises Conflict if a task has locked it."""
        return replace(self.locked(task_id), provisioning_status=ProvisioningStatus.PENDING_DELETE.value)


class LoadBalancerPart(BalancingResource, frozen=True, kw_only=True):
    """A part of a load balancer. Its `task_id` is that of the task that changes this part itself."""

    load_balancer_id: str
