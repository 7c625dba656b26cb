"""The small rules: devices, MAC addresses, projects, faults, and what tasks and the audit log are made of."""

from typing import Any

import pytest

from pileus.domain.account.projects import Project
from pileus.domain.account.user_actions import new_user_action
from pileus.domain.errors import Conflict, invalid, not_found
from pileus.domain.faults import Fault
from pileus.domain.network.ports import mac_address
from pileus.domain.storage.volumes import device_name
from pileus.domain.tasks import CREATED_KINDS, created_resources, new_task
from tests.domain.builders import CALLER, NOW, PLACE, TASK


@pytest.mark.parametrize(
    ("position", "name"),
    [(0, "vda"), (1, "vdb"), (25, "vdz"), (26, "vdaa"), (51, "vdaz"), (52, "vdba"), (701, "vdzz"), (702, "vdaaa")],
)
def test_devices_are_named_in_order(position: int, name: str) -> None:
    assert device_name(position) == f"/dev/{name}"


def test_devices_are_all_different() -> None:
    assert len({device_name(position) for position in range(2000)}) == 2000


def test_a_port_always_has_the_same_mac_address() -> None:
    first, again, other = mac_address("p-1"), mac_address("p-1"), mac_address("p-2")

    assert first == again != other
    assert first.startswith("00:16:3e:")
    assert len(first) == 17


def test_a_project_leaves_held_by_its_task() -> None:
    project = Project(id=2, client_id=10, name="spare", created_at=NOW).deleting(TASK)

    assert (project.state, project.task_id) == ("DELETING", TASK)
    with pytest.raises(Conflict, match="locked"):
        project.deleting("another")


def test_the_default_project_stays() -> None:
    with pytest.raises(Conflict, match="default project"):
        Project(id=1, client_id=10, name="default", is_default=True, created_at=NOW).deleting(TASK)


@pytest.mark.parametrize(
    ("fault", "step", "first", "strikes"),
    [
        ({}, "boot", True, True),
        ({}, "boot", False, False),
        ({"step": "boot"}, "boot", False, True),
        ({"step": "boot"}, "place", True, False),
        ({"task_type": "create_vm"}, "boot", True, True),
        ({"task_type": "delete_vm"}, "boot", True, False),
        ({"task_type": "delete_vm", "step": "boot"}, "boot", True, False),
    ],
)
def test_a_fault_strikes_where_it_was_asked_to(fault: dict[str, Any], step: str, first: bool, strikes: bool) -> None:  # noqa: FBT001
    asked = Fault(id="f-1", kind="fail", created_at=NOW, **fault)

    assert asked.matches("create_vm", step, first=first) is strikes


def test_a_new_task_tells_whose_it_is_and_shows_its_arguments() -> None:
    task = new_task(TASK, "stop_vm", CALLER, PLACE, request_id="r-1", now=NOW, args={"instance_id": "i-1"})

    assert (task.id, task.task_type, task.state, task.user_id, task.request_id) == (TASK, "stop_vm", "NEW", 5, "r-1")
    assert task.place == PLACE
    assert task.data == task.args == {"instance_id": "i-1"}


def test_a_task_may_show_less_than_it_is_told() -> None:
    task = new_task(
        TASK, "create_vm", CALLER, PLACE, request_id="r", now=NOW, args={"secret": "x"}, data={"name": "web"}
    )

    assert (task.args, task.data) == ({"secret": "x"}, {"name": "web"})


def test_what_was_created_names_all_kinds_even_those_untouched() -> None:
    told = created_resources(instances=["i-1"], ddos_profiles=[7])

    assert list(told) == list(CREATED_KINDS)
    assert {kind: ids for kind, ids in told.items() if ids} == {"instances": ["i-1"], "ddos_profiles": [7]}
    assert "l7polices" in told


def test_the_audit_log_says_who_did_what_to_which() -> None:
    line = new_user_action(
        CALLER, "instance", "update", action_id="a-1", now=NOW, resource_id="i-1", project_id=20, region_id=1
    )

    assert (line.client_id, line.user_id, line.email, line.token_id) == (10, 5, "me@example.org", 3)
    assert (line.api_group, line.action_type, line.project_id, line.region_id) == ("instance", "update", 20, 1)
    assert line.resources == [{"resource_id": "i-1", "resource_type": "instance"}]


def test_problems_speak_the_words_of_the_public_api() -> None:
    assert invalid(name="Field required").message == "Validation Error: {'name': ['Field required']}"
    assert invalid(name="Field required").fields == {"name": ["Field required"]}
    assert not_found("Instance", "i-1").message == "Instance i-1 could not be found"
