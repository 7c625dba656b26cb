"""Instances: which action is possible when, what is shown meanwhile, and what a merge patch changes."""

from collections.abc import Callable

import pytest

from pileus.domain.errors import Conflict
from pileus.domain.instances import MOVES, VM_STATES, Action, Instance, Kind, Status
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
    Action.START: {"SHUTOFF"},
    Action.STOP: {"ACTIVE", "SHUTOFF", "RESCUE", "ERROR"},
    Action.REBOOT: {"ACTIVE"},
    Action.REBOOT_HARD: {"ACTIVE", "SHUTOFF", "ERROR", "PAUSED", "RESCUE", "SUSPENDED"},
    Action.SUSPEND: {"ACTIVE", "SHUTOFF"},
    Action.RESUME: {"SUSPENDED"},
}
SHOWN = {
    Action.START: ("powering-on", None, "ACTIVE"),
    Action.STOP: ("powering-off", None, "SHUTOFF"),
    Action.REBOOT: ("rebooting", "REBOOT", "ACTIVE"),
    Action.REBOOT_HARD: ("rebooting_hard", "HARD_REBOOT", "ACTIVE"),
    Action.SUSPEND: ("suspending", None, "SUSPENDED"),
    Action.RESUME: ("resuming", None, "ACTIVE"),
}
LATER = NOW + 5


def standing(status: str, **changes: object) -> Instance:
    return an_instance(status=status, vm_state=VM_STATES[Status(status)], **changes)


@pytest.mark.parametrize("status", list(PAIRS))
def test_a_status_goes_with_its_documented_vm_state(status: str) -> None:
    assert an_instance().standing(Status(status), LATER).vm_state == PAIRS[status]


def test_each_status_has_a_vm_state_and_all_of_these_can_be_reached() -> None:
    assert set(VM_STATES) == set(Status)
    assert set(VM_STATES.values()) == ALL_VM_STATES
    assert len(Status) == 20


def test_a_status_may_stand_with_another_vm_state_and_tells_when_it_came() -> None:
    changed = an_instance().standing(Status.ACTIVE, LATER, vm_state="resized")

    assert (changed.status, changed.vm_state, changed.changed_at) == ("ACTIVE", "resized", LATER)


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("status", list(Status))
def test_an_action_is_possible_in_its_statuses_and_a_conflict_in_all_others(action: Action, status: Status) -> None:
    before = standing(status.value)
    task_state, meanwhile, _ = SHOWN[action]

    if status.value not in ALLOWED[action]:
        with pytest.raises(Conflict, match=f"Cannot {action} instance i-1 in status {status}"):
            before.moving(action, TASK, LATER)
        return
    after = before.moving(action, TASK, LATER)

    assert (after.task_id, after.task_state, after.status) == (TASK, task_state, meanwhile or status.value)
    assert after.vm_state == VM_STATES[Status(after.status)]
    assert after.changed_at == (LATER if meanwhile else NOW)


@pytest.mark.parametrize("action", list(Action))
def test_an_action_arrives_where_it_should_and_lets_go(action: Action) -> None:
    move = MOVES[action]
    before = standing(min(ALLOWED[action])).moving(action, TASK, LATER)

    after = before.standing(move.arrives, LATER + 1).released()

    assert (after.status, after.task_id, after.task_state) == (SHOWN[action][2], None, None)


@pytest.mark.parametrize("action", list(Action))
def test_bare_metal_does_all_but_suspend_and_resume(action: Action) -> None:
    server = standing(min(ALLOWED[action]), kind=Kind.BAREMETAL.value)

    if action in (Action.SUSPEND, Action.RESUME):
        with pytest.raises(Conflict, match="bare metal"):
            server.moving(action, TASK, LATER)
    else:
        assert server.moving(action, TASK, LATER).task_id == TASK


LOCKED: list[Callable[[Instance], Instance]] = [
    lambda held: held.patched({"name": "other"}),
    lambda held: held.patched({"tags": {"a": "b"}}),
    lambda held: held.patched({}),
    lambda held: held.locked("another"),
    lambda held: held.unlocked(),
    lambda held: held.moving(Action.REBOOT, "another", LATER),
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
    assert held.released() == an_instance()
