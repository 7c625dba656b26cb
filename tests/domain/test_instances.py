"""Instances: which action is possible when, what is shown meanwhile, and what a merge patch changes."""

from collections.abc import Callable

import pytest

from pileus.domain.compute.instances import POWER_TRANSITIONS, VM_STATES, Instance, Kind, PowerAction, Status
from pileus.domain.errors import Conflict
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
SHOWN = {
    PowerAction.START: ("powering-on", None, "ACTIVE"),
    PowerAction.STOP: ("powering-off", None, "SHUTOFF"),
    PowerAction.REBOOT: ("rebooting", "REBOOT", "ACTIVE"),
    PowerAction.REBOOT_HARD: ("rebooting_hard", "HARD_REBOOT", "ACTIVE"),
    PowerAction.SUSPEND: ("suspending", None, "SUSPENDED"),
    PowerAction.RESUME: ("resuming", None, "ACTIVE"),
}
LATER = NOW + 5


def standing(status: str, **changes: object) -> Instance:
    return an_instance(status=status, vm_state=VM_STATES[Status(status)], **changes)


@pytest.mark.parametrize("status", list(PAIRS))
def test_a_status_goes_with_its_documented_vm_state(status: str) -> None:
    assert an_instance().with_status(Status(status), LATER).vm_state == PAIRS[status]


def test_each_status_has_a_vm_state_and_all_of_these_can_be_reached() -> None:
    assert set(VM_STATES) == set(Status)
    assert set(VM_STATES.values()) == ALL_VM_STATES
    assert len(Status) == 20


def test_a_status_may_stand_with_another_vm_state_and_tells_when_it_came() -> None:
    changed = an_instance().with_status(Status.ACTIVE, LATER, vm_state="resized")

    assert (changed.status, changed.vm_state, changed.changed_at) == ("ACTIVE", "resized", LATER)


@pytest.mark.parametrize("action", list(PowerAction))
@pytest.mark.parametrize("status", list(Status))
def test_an_action_is_possible_in_its_statuses_and_a_conflict_in_all_others(
    action: PowerAction, status: Status
) -> None:
    before = standing(status.value)
    task_state, meanwhile, _ = SHOWN[action]

    if status.value not in ALLOWED[action]:
        with pytest.raises(Conflict, match=f"Cannot {action} instance i-1 in status {status}"):
            before.starting_action(action, TASK, LATER)
        return
    after = before.starting_action(action, TASK, LATER)

    assert (after.task_id, after.task_state, after.status) == (TASK, task_state, meanwhile or status.value)
    assert after.vm_state == VM_STATES[Status(after.status)]
    assert after.changed_at == (LATER if meanwhile else NOW)


@pytest.mark.parametrize("action", list(PowerAction))
def test_an_action_arrives_where_it_should_and_lets_go(action: PowerAction) -> None:
    move = POWER_TRANSITIONS[action]
    before = standing(min(ALLOWED[action])).starting_action(action, TASK, LATER)

    after = before.with_status(move.final_status, LATER + 1).unlocked()

    assert (after.status, after.task_id, after.task_state) == (SHOWN[action][2], None, None)


@pytest.mark.parametrize("action", list(PowerAction))
def test_bare_metal_does_all_but_suspend_and_resume(action: PowerAction) -> None:
    server = standing(min(ALLOWED[action]), kind=Kind.BAREMETAL.value)

    if action in (PowerAction.SUSPEND, PowerAction.RESUME):
        with pytest.raises(Conflict, match="bare metal"):
            server.starting_action(action, TASK, LATER)
    else:
        assert server.starting_action(action, TASK, LATER).task_id == TASK


@pytest.mark.parametrize(
    ("kind", "task_types"),
    [
        ("vm", ["start_vm", "stop_vm", "soft_reboot_vm", "hard_reboot_vm", "suspend_vm", "resume_vm"]),
        ("baremetal", ["start_bm", "stop_bm", "soft_reboot_bm", "hard_reboot_bm", None, None]),
        ("gpu", ["start_vm", "stop_vm", "soft_reboot_vm", "hard_reboot_vm", None, None]),
    ],
)
def test_what_an_action_is_called_tells_the_kind_of_server(kind: str, task_types: list[str | None]) -> None:
    server = an_instance(kind=kind)

    for action, task_type in zip(PowerAction, task_types, strict=True):
        if task_type is None:
            with pytest.raises(Conflict, match="cannot be suspended"):
                server.task_type(action)
        else:
            assert server.task_type(action) == task_type


CHANGES: dict[str, tuple[Callable[[Instance], Instance], set[str], str | None]] = {
    "resizing": (lambda before: before.resizing("g1-standard-2-4", TASK, LATER), {"ACTIVE", "SHUTOFF"}, "resize_prep"),
    "joining": (lambda before: before.entering_group("g-1", TASK), {"ACTIVE", "SHUTOFF"}, "scheduling"),
    "plugging": (lambda before: before.changing_interfaces(TASK), {"ACTIVE", "SHUTOFF", "PAUSED"}, None),
}


@pytest.mark.parametrize("change", list(CHANGES))
@pytest.mark.parametrize("status", list(Status))
def test_a_change_is_possible_in_its_statuses_and_a_conflict_in_all_others(change: str, status: Status) -> None:
    changed, allowed, task_state = CHANGES[change]
    before = standing(status.value)

    if status.value not in allowed:
        with pytest.raises(Conflict, match=f"in status {status}"):
            changed(before)
        return
    after = changed(before)

    assert (after.task_id, after.task_state) == (TASK, task_state)


def test_who_is_resized_has_its_new_flavor_at_once_and_says_so() -> None:
    after = an_instance().resizing("g1-standard-2-4", TASK, LATER)

    assert (after.flavor_id, after.status, after.vm_state) == ("g1-standard-2-4", "RESIZE", "resized")


@pytest.mark.parametrize("kind", ["baremetal", "gpu"])
def test_what_is_no_virtual_machine_is_neither_resized_nor_grouped_nor_guarded(kind: str) -> None:
    server = an_instance(kind=kind)

    with pytest.raises(Conflict, match="bare metal"):
        server.resizing("other", TASK, LATER)
    with pytest.raises(Conflict, match="bare metal"):
        server.entering_group("g-1", TASK)
    with pytest.raises(Conflict, match="bare metal"):
        server.require_security_groups_allowed()
    assert server.changing_interfaces(TASK).task_id == TASK


def test_only_members_leave_a_group_and_only_others_join_one() -> None:
    member, outsider = an_instance(placement_group_id="g-1"), an_instance()

    assert member.leaving_group(TASK).task_id == TASK
    with pytest.raises(Conflict, match="is in placement group g-1 already"):
        member.entering_group("g-2", TASK)
    with pytest.raises(Conflict, match="in no placement group"):
        outsider.leaving_group(TASK)


LOCKED: list[Callable[[Instance], Instance]] = [
    lambda held: held.patched({"name": "other"}),
    lambda held: held.patched({"tags": {"a": "b"}}),
    lambda held: held.patched({}),
    lambda held: held.locked("another"),
    lambda held: held.require_unlocked(),
    lambda held: held.starting_action(PowerAction.REBOOT, "another", LATER),
    lambda held: held.resizing("other", "another", LATER),
    lambda held: held.entering_group("g-1", "another"),
    lambda held: held.changing_interfaces("another"),
]


@pytest.mark.parametrize("change", LOCKED)
def test_nothing_changes_while_a_task_holds_it(change: Callable[[Instance], Instance]) -> None:
    held = an_instance().locked(TASK, "resizing")

    with pytest.raises(Conflict, match=f"Instance i-1 is locked by task {TASK}"):
        change(held)


def test_a_patch_renames_and_touches_nothing_else() -> None:
    before = an_instance()

    after = before.patched({"name": "other", "tags": {"a": "b"}})

    assert after == an_instance(name="other")
    assert before.patched({}) == before
    assert before.patched({"tags": None}) == before


def test_a_lock_shows_what_goes_on_until_it_is_released() -> None:
    held = an_instance().locked(TASK, "resizing")

    assert (held.task_id, held.task_state) == (TASK, "resizing")
    assert held.unlocked() == an_instance()
