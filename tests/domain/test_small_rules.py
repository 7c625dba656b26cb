"""Small rules: device names, MAC addresses, projects, faults, tasks and user actions."""

from typing import Any

import pytest

from pileus.domain.account.projects import Project
from pileus.domain.account.user_actions import AuditEntry, new_user_action
from pileus.domain.compute.task_types import CREATE_VM, find_power_action_task_type
from pileus.domain.errors import Conflict, Invalid, invalid, not_found
from pileus.domain.faults import Fault
from pileus.domain.network.ports import derive_mac_address
from pileus.domain.storage.volumes import device_name
from pileus.domain.tasks import CREATED_KINDS, created_resources_by_kind, new_task
from tests.domain.builders import CALLER, NOW, PLACE, TASK, a_context


@pytest.mark.parametrize(
    ("position", "name"),
    [(0, "vda"), (1, "vdb"), (25, "vdz"), (26, "vdaa"), (51, "vdaz"), (52, "vdba"), (701, "vdzz"), (702, "vdaaa")],
)
def test_device_names_are_in_order(position: int, name: str) -> None:
    assert device_name(position) == f"/dev/{name}"


def test_device_names_are_unique() -> None:
    assert len({device_name(position) for position in range(2000)}) == 2000


def test_mac_address_of_a_port_is_stable() -> None:
    first, again, other = derive_mac_address("p-1"), derive_mac_address("p-1"), derive_mac_address("p-2")

    assert first == again != other
    assert first.startswith("fa:16:3e:")
    assert len(first) == 17


def test_project_is_locked_while_it_is_deleted() -> None:
    project = Project(id=2, client_id=10, name="spare", created_at=NOW).deleting(TASK)

    assert (project.state, project.task_id) == ("DELETING", TASK)
    with pytest.raises(Conflict, match="locked"):
        project.deleting("another")


def test_default_project_cannot_be_deleted() -> None:
    with pytest.raises(Invalid, match="default project"):
        Project(id=1, client_id=10, name="default", is_default=True, created_at=NOW).deleting(TASK)


@pytest.mark.parametrize(
    ("fault", "step", "first", "is_match"),
    [
        ({}, "boot", True, True),
        ({}, "boot", False, False),
        ({"step": "boot"}, "boot", False, True),
        ({"step": "boot"}, "connect", True, False),
        ({"task_type": "create_vm"}, "boot", True, True),
        ({"task_type": "delete_vm"}, "boot", True, False),
        ({"task_type": "delete_vm", "step": "boot"}, "boot", True, False),
    ],
)
def test_fault_matches_its_task_type_and_step(fault: dict[str, Any], step: str, first: bool, is_match: bool) -> None:  # noqa: FBT001
    injected = Fault(id="f-1", client_id=1, kind="fail", created_at=NOW, **fault)

    assert injected.matches("create_vm", step, is_first_step=first) is is_match


def test_new_task_has_its_owner_and_shows_its_arguments() -> None:
    task = new_task(
        TASK,
        find_power_action_task_type("stop_vm"),
        CALLER,
        PLACE,
        request_id="r-1",
        now=NOW,
        args={"instance_id": "i-1"},
    )

    assert (task.id, task.task_type, task.state, task.user_id, task.request_id) == (TASK, "stop_vm", "NEW", 5, "r-1")
    assert task.place == PLACE
    assert task.data == task.args == {"instance_id": "i-1"}


def test_task_can_show_less_than_its_arguments() -> None:
    task = new_task(TASK, CREATE_VM, CALLER, PLACE, request_id="r", now=NOW, args={"secret": "x"}, data={"name": "web"})

    assert (task.args, task.data) == ({"secret": "x"}, {"name": "web"})


def test_created_resources_have_all_kinds() -> None:
    resources = created_resources_by_kind(instances=["i-1"], ddos_profiles=[7])

    assert list(resources) == list(CREATED_KINDS)
    assert len(resources) == 36
    assert {kind: ids for kind, ids in resources.items() if ids} == {"instances": ["i-1"], "ddos_profiles": [7]}
    assert "l7polices" in resources


def test_user_action_has_caller_action_and_resource() -> None:
    line = new_user_action(a_context(), AuditEntry("instance", "update", "i-1"), task_id=None)

    assert (line.client_id, line.user_id, line.email, line.token_id) == (10, 5, "me@example.org", 3)
    assert (line.api_group, line.action_type, line.project_id, line.region_id) == ("instance", "update", 20, 1)
    assert line.resources == [{"resource_id": "i-1", "resource_type": "instance"}]


def test_errors_have_the_public_apis_texts() -> None:
    assert invalid(name="Field required").message == "Validation Error: {'name': ['Field required']}"
    assert invalid(name="Field required").fields == {"name": ["Field required"]}
    assert not_found("Instance", "i-1").message == "Instance i-1 could not be found"
