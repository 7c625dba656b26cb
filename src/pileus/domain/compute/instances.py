"""Instances: the record, its states and its transitions."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Self

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.errors import Conflict, Invalid, NotFound
from pileus.domain.patches import ResourcePatch
from pileus.domain.resources import TenantResource


class Status(StrEnum):
    """The public API's 20 statuses."""

    ACTIVE = "ACTIVE"
    BUILD = "BUILD"
    DELETED = "DELETED"
    ERROR = "ERROR"
    HARD_REBOOT = "HARD_REBOOT"
    MIGRATING = "MIGRATING"
    PASSWORD = "PASSWORD"  # noqa: S105  # a status: the password is being set
    PAUSED = "PAUSED"
    REBOOT = "REBOOT"
    REBUILD = "REBUILD"
    RESCUE = "RESCUE"
    RESIZE = "RESIZE"
    REVERT_RESIZE = "REVERT_RESIZE"
    SHELVED = "SHELVED"
    SHELVED_OFFLOADED = "SHELVED_OFFLOADED"
    SHUTOFF = "SHUTOFF"
    SOFT_DELETED = "SOFT_DELETED"
    SUSPENDED = "SUSPENDED"
    UNKNOWN = "UNKNOWN"
    VERIFY_RESIZE = "VERIFY_RESIZE"


VM_STATES: Mapping[Status, str] = {
    Status.ACTIVE: "active",
    Status.BUILD: "building",
    Status.DELETED: "deleted",
    Status.ERROR: "error",
    Status.HARD_REBOOT: "active",
    Status.MIGRATING: "active",
    Status.PASSWORD: "active",
    Status.PAUSED: "paused",
    Status.REBOOT: "active",
    Status.REBUILD: "active",
    Status.RESCUE: "rescued",
    Status.RESIZE: "resized",
    Status.REVERT_RESIZE: "resized",
    Status.SHELVED: "shelved",
    Status.SHELVED_OFFLOADED: "shelved_offloaded",
    Status.SHUTOFF: "stopped",
    Status.SOFT_DELETED: "soft-deleted",
    Status.SUSPENDED: "suspended",
    Status.UNKNOWN: "active",
    Status.VERIFY_RESIZE: "resized",
}


class InstanceKind(StrEnum):
    """The kind of hardware that an instance runs on."""

    VM = "vm"
    BAREMETAL = "baremetal"
    GPU = "gpu"


class PowerAction(StrEnum):
    """A power action on an instance."""

    START = "start"
    STOP = "stop"
    REBOOT = "reboot"
    REBOOT_HARD = "reboot_hard"
    SUSPEND = "suspend"
    RESUME = "resume"


class PowerTransition(Struct, frozen=True):
    """The allowed statuses of a power action, and the states during and after it."""

    task_type: str
    allowed_statuses: frozenset[Status]
    task_state: str
    final_status: Status
    interim_status: Status | None = None


POWER_TRANSITIONS: Mapping[PowerAction, PowerTransition] = {
    PowerAction.START: PowerTransition("start_vm", frozenset({Status.SHUTOFF}), "powering-on", Status.ACTIVE),
    PowerAction.STOP: PowerTransition(
        "stop_vm",
        frozenset({Status.ACTIVE, Status.SHUTOFF, Status.RESCUE, Status.ERROR}),
        "powering-off",
        Status.SHUTOFF,
    ),
    PowerAction.REBOOT: PowerTransition(
        "soft_reboot_vm", frozenset({Status.ACTIVE}), "rebooting", Status.ACTIVE, Status.REBOOT
    ),
    PowerAction.REBOOT_HARD: PowerTransition(
        "hard_reboot_vm",
        frozenset({Status.ACTIVE, Status.SHUTOFF, Status.ERROR, Status.PAUSED, Status.RESCUE, Status.SUSPENDED}),
        "rebooting_hard",
        Status.ACTIVE,
        Status.HARD_REBOOT,
    ),
    PowerAction.SUSPEND: PowerTransition(
        "suspend_vm", frozenset({Status.ACTIVE, Status.SHUTOFF}), "suspending", Status.SUSPENDED
    ),
    PowerAction.RESUME: PowerTransition("resume_vm", frozenset({Status.SUSPENDED}), "resuming", Status.ACTIVE),
}
BAREMETAL_TASK_TYPES: Mapping[PowerAction, str] = {
    PowerAction.START: "start_bm",
    PowerAction.STOP: "stop_bm",
    PowerAction.REBOOT: "soft_reboot_bm",
    PowerAction.REBOOT_HARD: "hard_reboot_bm",
}
"""Task types of power actions on bare metal servers, which cannot be suspended."""
STABLE_STATUSES = frozenset({Status.ACTIVE, Status.SHUTOFF})
"""Statuses in which an instance can be resized or migrated."""
INTERFACE_CHANGE_STATUSES = STABLE_STATUSES | {Status.PAUSED}
REBUILDABLE_STATUSES = STABLE_STATUSES | {Status.ERROR}


class FirstBootData(Struct, frozen=True, kw_only=True, gc=False):
    """Data for the first boot. They are deleted after it. `user_data` is base64 text."""

    user_data: str | None = None
    username: str | None = None
    password: str | None = None


class Instance(TenantResource, frozen=True, kw_only=True, array_like=True, gc=False):
    """An instance: a virtual machine or a bare metal server. Times are in microseconds since 1970.

    `stamp` changes with everything that the instance shows, also of other records. The last outage is the last time
    in which it did not run or was isolated; it lasts while it has no end.
    """

    NOUN: ClassVar[str] = "Instance"

    id: str
    name: str
    description: str | None = None
    kind: str = InstanceKind.VM
    flavor_id: str
    status: str = Status.BUILD
    vm_state: str = "building"
    task_state: str | None = None
    creator_task_id: str | None = None
    ssh_key_id: str | None = None
    placement_group_id: str | None = None
    host: str | None = None
    isolated: bool = False
    isolation_reason: str | None = None
    boot: FirstBootData = field(default_factory=FirstBootData)
    changed_at: int
    outage_began_at: int | None = None
    outage_ended_at: int | None = None
    stamp: int = 0

    @property
    def is_reachable(self) -> bool:
        """Return whether other machines can reach it."""
        return self.status == Status.ACTIVE and not self.isolated

    @property
    def is_virtual(self) -> bool:
        """Return whether the instance is a virtual machine, not a bare metal or GPU server."""
        return self.kind == InstanceKind.VM

    def patched(self, patch: ResourcePatch) -> "Instance":
        """Apply a merge patch, except for its tags. Raises Conflict while the instance is locked."""
        self.require_unlocked()
        return replace(self, name=patch["name"]) if "name" in patch else self

    def locked(self, task_id: str, task_state: str | None = None) -> Self:
        """Lock the instance for a task. Raises Conflict if a task has locked it."""
        return replace(self.require_unlocked(), task_id=task_id, task_state=task_state)

    def power_action_task_type(self, action: PowerAction) -> str:
        """Return the task type of a power action. Raises Invalid if this kind of instance does not support it."""
        if not self.is_virtual and action not in BAREMETAL_TASK_TYPES:
            raise Invalid(f"Cannot {action} instance {self.id}: bare metal servers cannot be suspended")
        return (
            BAREMETAL_TASK_TYPES[action] if self.kind == InstanceKind.BAREMETAL else POWER_TRANSITIONS[action].task_type
        )

    def starting_power_action(self, action: PowerAction, task_id: str, now: int) -> "Instance":
        """Enter the transitional state of `action`, locked by a task. Raises Conflict or Invalid."""
        transition = POWER_TRANSITIONS[action]
        self.power_action_task_type(action)
        if self.require_unlocked().status not in transition.allowed_statuses:
            raise Conflict(f"Cannot {action} instance {self.id} in status {self.status}{self._allowed_actions_hint()}")
        locked = self.locked(task_id, transition.task_state)
        return locked.with_status(transition.interim_status, now) if transition.interim_status else locked

    def _allowed_actions_hint(self) -> str:
        allowed = [action for action, move in POWER_TRANSITIONS.items() if self.status in move.allowed_statuses]
        possible = [action for action in allowed if self.is_virtual or action in BAREMETAL_TASK_TYPES]
        return f": it can {', '.join(possible)}" if possible else ""

    def resizing(self, flavor_id: str, task_id: str, now: int) -> "Instance":
        """Change the flavor, locked by the task that resizes. Raises Conflict for its status, Invalid for its kind.

        The new flavor counts at once, so that quota and capacity cannot be assigned twice.
        """
        if not self.is_virtual:
            raise Invalid(f"Cannot resize instance {self.id}: bare metal servers cannot be resized")
        if self.require_unlocked().status not in STABLE_STATUSES:
            raise Conflict(f"Cannot resize instance {self.id} in status {self.status}")
        locked = self.locked(task_id, "resize_prep").with_status(Status.RESIZE, now)
        return replace(locked, flavor_id=flavor_id)

    def rebuilding(self, boot: FirstBootData, task_id: str, now: int) -> "Instance":
        """Start a rebuild by a task. Raises Conflict for its status, Invalid for its kind."""
        if self.is_virtual:
            raise Invalid(f"Cannot rebuild instance {self.id}: only bare metal servers can be rebuilt")
        if self.require_unlocked().status not in REBUILDABLE_STATUSES:
            raise Conflict(f"Cannot rebuild instance {self.id} in status {self.status}")
        return replace(self.locked(task_id, "rebuilding").with_status(Status.REBUILD, now), boot=boot)

    def changing_interfaces(self, task_id: str) -> "Instance":
        """Lock for a task that attaches or detaches an interface. Raises Conflict if the status does not allow it."""
        if self.require_unlocked().status not in INTERFACE_CHANGE_STATUSES:
            raise Conflict(f"Cannot change the interfaces of instance {self.id} in status {self.status}")
        return self.locked(task_id)

    def entering_placement_group(self, group_id: str, task_id: str) -> "Instance":
        """Lock for a task that adds it to a placement group. Raises Conflict or Invalid."""
        if not self.is_virtual:
            raise Invalid(f"Instance {self.id} is a bare metal server: it cannot be in a placement group")
        if self.require_unlocked().placement_group_id is not None:
            raise Invalid(f"Instance {self.id} is in placement group {self.placement_group_id} already")
        if self.status not in STABLE_STATUSES:
            raise Conflict(f"Cannot put instance {self.id} into placement group {group_id} in status {self.status}")
        return self.locked(task_id, "scheduling")

    def leaving_placement_group(self, task_id: str) -> "Instance":
        """Lock for a task that removes it from its placement group. Raises NotFound if it is in none."""
        if self.require_unlocked().placement_group_id is None:
            raise NotFound(f"Instance {self.id} is in no placement group")
        return self.locked(task_id)

    def require_security_groups_allowed(self) -> "Instance":
        """Return the instance if it can have security groups. Raises Invalid for bare metal."""
        if not self.is_virtual:
            raise Invalid(f"Instance {self.id} is a bare metal server: it cannot have security groups")
        return self

    def with_status(self, status: Status, now: int, vm_state: str | None = None) -> "Instance":
        """Set a status, its vm_state and `changed_at`."""
        changed = replace(self, status=status.value, vm_state=vm_state or VM_STATES[status], changed_at=now)
        return _with_outage(self, changed, now)

    def with_isolation(self, reason: str | None, now: int, *, isolated: bool) -> "Instance":
        """Isolate the instance from its networks for a reason, or end the isolation."""
        changed = replace(self, isolated=isolated, isolation_reason=reason if isolated else None)
        return _with_outage(self, changed, now)

    def unlocked(self) -> "Instance":
        """Unlock the instance."""
        return replace(self, task_id=None, task_state=None)


def _with_outage(before: Instance, after: Instance, now: int) -> Instance:
    """Return the changed instance with the beginning or the end of an outage."""
    if after.is_reachable == before.is_reachable:
        return after
    if not after.is_reachable:
        return replace(after, outage_began_at=now, outage_ended_at=None)
    return after if after.outage_began_at is None else replace(after, outage_ended_at=now)
