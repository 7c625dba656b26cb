"""Instances: allowed power actions, transitional states, and merge patches."""

from collections.abc import Callable

import pytest

from pileus.domain.compute.instances import POWER_TRANSITIONS, VM_STATES, Instance, InstanceKind, PowerAction, Status
from pileus.domain.errors import Conflict, Invalid, NotFound
from tests.domain.builders import NOW, TASK, an_instance

PAIRS = {
    "ACTIVE": "active", "SHUTOFF": "stopped", "BUILD": "building", "ERROR": "error", "DELETED": "deleted",
    "PAUSED": "paused", "REBOOT": "active", "HARD_REBOOT": "active", "REBUILD": "active", "RESIZE": "resized",
    "MIGRATING": "active", "SUSPENDED": "suspended", "SOFT_DELETED": "soft-deleted",
}  # fmt: skip
ALL_VM_STATES = {
    "active", "building", "deleted", "error", "paused", "rescued", "resized", "shelved", "shelved_offloaded",
    "soft-deleted", "stopped", "suspended",
}  # fmt: skip
ALLOWED = {
    PowerAction.START: {"SHUTOFF"},
    PowerAction.STOP: {"ACTIVE", "SHUTOFF", "RESCUE", "ERROR"},
    PowerAction.REBOOT: {"ACTIVE"},
    PowerAction.REBOOT_HARD: {"ACTIVE", "SHUTOFF", "ERROR", "PAUSED", "RESCUE", "SUSPENDED"},
    PowerAction.SUSPEND: {"ACTIVE", "SHUTOFF"},
    PowerAction.RESUME: {"SUSPENDED"},
}
STATES = {
    PowerAction.START: ("powering-on", None, "ACTIVE"),
    PowerAction.STOP: ("powering-off", None, "SHUTOFF"),
    PowerAction.REBOOT: ("rebooting", "REBOOT", "ACTIVE"),
    PowerAction.REBOOT_HARD: ("rebooting_hard", "HARD_REBOOT", "ACTIVE"),
    PowerAction.SUSPEND: ("suspending", None, "SUSPENDED"),
    PowerAction.RESUME: ("resuming", None, "ACTIVE"),
}
LATER = NOW + 5


def instance_with_status(status: str, **changes: object) -> Instance:
    return an_instance(status=status, vm_state=VM_STATES[Status(status)], **changes)


@pytest.mark.parametrize("status", list(PAIRS))
def test_status_has_its_documented_vm_state(status: str) -> None:
    assert an_instance().with_status(Status(status), LATER).vm_state == PAIRS[status]


def test_every_status_has_a_vm_state_and_every_vm_state_a_status() -> None:
    assert set(VM_STATES) == set(Status)
    assert set(VM_STATES.values()) == ALL_VM_STATES
    assert len(Status) == 20


def test_status_can_have_another_vm_state_and_sets_changed_at() -> None:
    change_instance = an_instance().with_status(Status.ACTIVE, LATER, vm_state="resized")

    assert (change_instance.status, change_instance.vm_state, change_instance.changed_at) == (
        "ACTIVE",
        "resized",
        LATER,
    )


@pytest.mark.parametrize("action", list(PowerAction))
@pytest.mark.parametrize("status", list(Status))
def test_power_action_is_allowed_in_its_statuses_only(action: PowerAction, status: Status) -> None:
    before = instance_with_status(status.value)
    task_state, meanwhile, _ = STATES[action]

    if status.value not in ALLOWED[action]:
        with pytest.raises(Conflict, match=f"Cannot {action} instance i-1 in status {status}"):
            before.starting_power_action(action, TASK, LATER)
        return
    after = before.starting_power_action(action, TASK, LATER)

    assert (after.task_id, after.task_state, after.status) == (TASK, task_state, meanwhile or status.value)
    assert after.vm_state == VM_STATES[Status(after.status)]
    assert after.changed_at == (LATER if meanwhile else NOW)


@pytest.mark.parametrize("action", list(PowerAction))
def test_power_action_ends_in_its_final_status_unlocked(action: PowerAction) -> None:
    transition = POWER_TRANSITIONS[action]
    before = instance_with_status(min(ALLOWED[action])).starting_power_action(action, TASK, LATER)

    after = before.with_status(transition.final_status, LATER + 1).unlocked()

    assert (after.status, after.task_id, after.task_state) == (STATES[action][2], None, None)


@pytest.mark.parametrize("action", list(PowerAction))
def test_bare_metal_cannot_be_suspended_or_resumed(action: PowerAction) -> None:
    server = instance_with_status(min(ALLOWED[action]), kind=InstanceKind.BAREMETAL.value)

    if action in (PowerAction.SUSPEND, PowerAction.RESUME):
        with pytest.raises(Invalid, match="bare metal"):
            server.starting_power_action(action, TASK, LATER)
    else:
        assert server.starting_power_action(action, TASK, LATER).task_id == TASK


@pytest.mark.parametrize(
    ("kind", "task_types"),
    [
        ("vm", ["start_vm", "stop_vm", "soft_reboot_vm", "hard_reboot_vm", "suspend_vm", "resume_vm"]),
        ("baremetal", ["start_bm", "stop_bm", "soft_reboot_bm", "hard_reboot_bm", None, None]),
        ("gpu", ["start_vm", "stop_vm", "soft_reboot_vm", "hard_reboot_vm", None, None]),
    ],
)
def test_task_type_depends_on_the_kind_of_instance(kind: str, task_types: list[str | None]) -> None:
    server = an_instance(kind=kind)

    for action, task_type in zip(PowerAction, task_types, strict=True):
        if task_type is None:
            with pytest.raises(Invalid, match="cannot be suspended"):
                server.power_action_task_type(action)
        else:
            assert server.power_action_task_type(action) == task_type


CHANGES: dict[str, tuple[Callable[[Instance], Instance], set[str], str | None]] = {
    "resizing": (lambda before: before.resizing("g1-standard-2-4", TASK, LATER), {"ACTIVE", "SHUTOFF"}, "resize_prep"),
    "joining": (lambda before: before.entering_placement_group("g-1", TASK), {"ACTIVE", "SHUTOFF"}, "scheduling"),
    "plugging": (lambda before: before.changing_interfaces(TASK), {"ACTIVE", "SHUTOFF", "PAUSED"}, None),
}


@pytest.mark.parametrize("change", list(CHANGES))
@pytest.mark.parametrize("status", list(Status))
def test_change_is_allowed_in_its_statuses_only(change: str, status: Status) -> None:
    change_instance, allowed, task_state = CHANGES[change]
    before = instance_with_status(status.value)

    if status.value not in allowed:
        with pytest.raises(Conflict, match=f"in status {status}"):
            change_instance(before)
        return
    after = change_instance(before)

    assert (after.task_id, after.task_state) == (TASK, task_state)


def test_resizing_instance_has_its_new_flavor_at_once() -> None:
    after = an_instance().resizing("g1-standard-2-4", TASK, LATER)

    assert (after.flavor_id, after.status, after.vm_state) == ("g1-standard-2-4", "RESIZE", "resized")


@pytest.mark.parametrize("kind", ["baremetal", "gpu"])
def test_bare_metal_has_no_resize_placement_group_or_security_group(kind: str) -> None:
    server = an_instance(kind=kind)

    with pytest.raises(Invalid, match="bare metal"):
        server.resizing("other", TASK, LATER)
    with pytest.raises(Invalid, match="bare metal"):
        server.entering_placement_group("g-1", TASK)
    with pytest.raises(Invalid, match="bare metal"):
        server.require_security_groups_allowed()
    assert server.changing_interfaces(TASK).task_id == TASK


def test_only_members_leave_a_placement_group_and_only_others_enter() -> None:
    member, outsider = an_instance(placement_group_id="g-1"), an_instance()

    assert member.leaving_placement_group(TASK).task_id == TASK
    with pytest.raises(Invalid, match="is in placement group g-1 already"):
        member.entering_placement_group("g-2", TASK)
    with pytest.raises(NotFound, match="in no placement group"):
        outsider.leaving_placement_group(TASK)


LOCKED: list[Callable[[Instance], Instance]] = [
    lambda instance: instance.patched({"name": "other"}),
    lambda instance: instance.patched({"tags": {"a": "b"}}),
    lambda instance: instance.patched({}),
    lambda instance: instance.locked("another"),
    lambda instance: instance.require_unlocked(),
    lambda instance: instance.starting_power_action(PowerAction.REBOOT, "another", LATER),
    lambda instance: instance.resizing("other", "another", LATER),
    lambda instance: instance.entering_placement_group("g-1", "another"),
    lambda instance: instance.changing_interfaces("another"),
]


@pytest.mark.parametrize("change", LOCKED)
def test_locked_instance_cannot_be_changed(change: Callable[[Instance], Instance]) -> None:
    instance = an_instance().locked(TASK, "resizing")

    with pytest.raises(Conflict, match=f"`i-1` currently locked by running task `{TASK}`"):
        change(instance)


def test_patch_changes_only_the_name() -> None:
    before = an_instance()

    after = before.patched({"name": "other", "tags": {"a": "b"}})

    assert after == an_instance(name="other")
    assert before.patched({}) == before
    assert before.patched({"tags": None}) == before


def test_lock_sets_the_task_state_until_it_is_released() -> None:
    instance = an_instance().locked(TASK, "resizing")

    assert (instance.task_id, instance.task_state) == (TASK, "resizing")
    assert instance.unlocked() == an_instance()
