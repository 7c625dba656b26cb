"""Instances: the record, its states, and the rules of what may be done to it when."""

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Self, TypedDict

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.errors import Conflict
from pileus.domain.locks import Lockable
from pileus.domain.places import Place


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


class Kind(StrEnum):
    """What an instance runs on; each has a flavor shape of its own."""

    VM = "vm"
    BAREMETAL = "baremetal"
    GPU = "gpu"


class PowerAction(StrEnum):
    """What can be asked of an instance's power."""

    START = "start"
    STOP = "stop"
    REBOOT = "reboot"
    REBOOT_HARD = "reboot_hard"
    SUSPEND = "suspend"
    RESUME = "resume"


class PowerTransition(Struct, frozen=True):
    """An action's way: from which statuses, what is shown meanwhile, and where it ends."""

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
"""What the tasks of servers without a hypervisor are called; such a server cannot be suspended."""
STABLE_STATUSES = frozenset({Status.ACTIVE, Status.SHUTOFF})
"""Where an instance can be made into another, or be moved."""
INTERFACE_CHANGE_STATUSES = STABLE_STATUSES | {Status.PAUSED}
REBUILDABLE_STATUSES = STABLE_STATUSES | {Status.ERROR}


class FirstBoot(Struct, frozen=True, kw_only=True):
    """What a machine is told at its first boot; forgotten once it has booted."""

    user_data: str | None = None
    username: str | None = None
    password: str | None = None


class InstancePatch(TypedDict, total=False):
    """A merge patch: a key that is absent is left alone."""

    name: str
    tags: Mapping[str, str | None] | None


class Instance(Lockable, frozen=True, kw_only=True):
    """One server as the control plane knows it; times in microseconds since 1970."""

    NOUN: ClassVar[str] = "Instance"

    client_id: int
    project_id: int
    region_id: int
    name: str
    description: str | None = None
    kind: str = Kind.VM
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
    boot: FirstBoot = field(default_factory=FirstBoot)
    created_at: int
    changed_at: int
    revision: int = 1

    @property
    def place(self) -> Place:
        """Whose it is and where."""
        return Place(self.client_id, self.project_id, self.region_id)

    @property
    def is_virtual(self) -> bool:
        """Whether it is a virtual machine: bare metal and GPU servers are not."""
        return self.kind == Kind.VM

    def patched(self, patch: InstancePatch) -> "Instance":
        """Apply the record's part of a merge patch (`tags.merged` does the other); raises Conflict while locked."""
        self.require_unlocked()
        return replace(self, name=patch["name"]) if "name" in patch else self

    def locked(self, task_id: str, task_state: str | None = None) -> Self:
        """Let a task hold it; raises Conflict if one does."""
        return replace(self.require_unlocked(), task_id=task_id, task_state=task_state)

    def task_type(self, action: PowerAction) -> str:
        """What the task of an action is called; raises Conflict for one that such an instance cannot do."""
        if not self.is_virtual and action not in BAREMETAL_TASK_TYPES:
            raise Conflict(f"Cannot {action} instance {self.id}: bare metal servers cannot be suspended")
        return BAREMETAL_TASK_TYPES[action] if self.kind == Kind.BAREMETAL else POWER_TRANSITIONS[action].task_type

    def starting_action(self, action: PowerAction, task_id: str, now: int) -> "Instance":
        """Enter the in-between state of `action`, held by a task; raises Conflict where that is not possible now."""
        move = POWER_TRANSITIONS[action]
        self.task_type(action)
        if self.require_unlocked().status not in move.allowed_statuses:
            raise Conflict(f"Cannot {action} instance {self.id} in status {self.status}{self._instead()}")
        held = self.locked(task_id, move.task_state)
        return held.with_status(move.interim_status, now) if move.interim_status else held

    def _instead(self) -> str:
        able = [each for each, move in POWER_TRANSITIONS.items() if self.status in move.allowed_statuses]
        ours = [each for each in able if self.is_virtual or each in BAREMETAL_TASK_TYPES]
        return f": it can {', '.join(ours)}" if ours else ""

    def resizing(self, flavor_id: str, task_id: str, now: int) -> "Instance":
        """Take another flavor, held by the task that does it; raises Conflict where that is not possible now.

        The new flavor counts from now on, so that quotas and room cannot be given away twice.
        """
        if not self.is_virtual:
            raise Conflict(f"Cannot resize instance {self.id}: bare metal servers cannot be resized")
        if self.require_unlocked().status not in STABLE_STATUSES:
            raise Conflict(f"Cannot resize instance {self.id} in status {self.status}")
        held = self.locked(task_id, "resize_prep").with_status(Status.RESIZE, now)
        return replace(held, flavor_id=flavor_id)

    def rebuilding(self, boot: FirstBoot, task_id: str, now: int) -> "Instance":
        """Have an image installed anew, held by a task; raises Conflict where that is not possible now."""
        if self.is_virtual:
            raise Conflict(f"Cannot rebuild instance {self.id}: only bare metal servers can be rebuilt")
        if self.require_unlocked().status not in REBUILDABLE_STATUSES:
            raise Conflict(f"Cannot rebuild instance {self.id} in status {self.status}")
        return replace(self.locked(task_id, "rebuilding").with_status(Status.REBUILD, now), boot=boot)

    def changing_interfaces(self, task_id: str) -> "Instance":
        """Be held by the task that gives or takes an interface; raises Conflict where that is not possible now."""
        if self.require_unlocked().status not in INTERFACE_CHANGE_STATUSES:
            raise Conflict(f"Cannot change the interfaces of instance {self.id} in status {self.status}")
        return self.locked(task_id)

    def entering_group(self, group_id: str, task_id: str) -> "Instance":
        """Be held by the task that puts it into a placement group; raises Conflict where that is not possible now."""
        if not self.is_virtual:
            raise Conflict(f"Instance {self.id} is a bare metal server: it cannot be in a placement group")
        if self.placement_group_id is not None:
            raise Conflict(f"Instance {self.id} is in placement group {self.placement_group_id} already")
        if self.require_unlocked().status not in STABLE_STATUSES:
            raise Conflict(f"Cannot put instance {self.id} into placement group {group_id} in status {self.status}")
        return self.locked(task_id, "scheduling")

    def leaving_group(self, task_id: str) -> "Instance":
        """Be held by the task that takes it out of its placement group; raises Conflict if it is in none."""
        if self.placement_group_id is None:
            raise Conflict(f"Instance {self.id} is in no placement group")
        return self.locked(task_id)

    def require_security_groups_allowed(self) -> "Instance":
        """Itself if security groups can guard it; raises Conflict for bare metal."""
        if not self.is_virtual:
            raise Conflict(f"No security group can guard instance {self.id}: it is a bare metal server")
        return self

    def with_status(self, status: Status, now: int, vm_state: str | None = None) -> "Instance":
        """Take a status with the vm_state that goes with it; `changed_at` follows."""
        return replace(self, status=status.value, vm_state=vm_state or VM_STATES[status], changed_at=now)

    def unlocked(self) -> "Instance":
        """Let the task go."""
        return replace(self, task_id=None, task_state=None)
