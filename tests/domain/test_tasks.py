"""Tasks: their place, data and acknowledgement."""

import pytest

from pileus.domain.compute.task_types import find_power_action_task_type
from pileus.domain.errors import Conflict
from pileus.domain.places import Caller, Place
from pileus.domain.tasks import Task, new_task

CALLER = Caller(client_id=1, user_id=7, email="user@example.com", token_id=3, role="Engineers")
STOP = find_power_action_task_type("stop_vm")


def a_task(state: str = "NEW", place: Place | None = None) -> Task:
    task = new_task(
        "t-1", STOP, CALLER, place or Place(1, 2, 3), request_id="f" * 32, now=5, args={"instance_id": "i-1"}
    )
    return Task(**{field: getattr(task, field) for field in task.__struct_fields__} | {"state": state})


def test_task_belongs_to_the_known_parts_of_its_place() -> None:
    assert (a_task().project_id, a_task().region_id) == (2, 3)
    assert (a_task(place=Place(1, 2, 0)).project_id, a_task(place=Place(1, 2, 0)).region_id) == (2, None)
    assert a_task(place=Place(1, 0, 0)).project_id is None


def test_data_are_the_arguments_by_default() -> None:
    task_with_data = new_task("t-1", STOP, CALLER, Place(1, 2, 3), request_id="", now=5, args={"secret": 1}, data={})

    assert a_task().data == {"instance_id": "i-1"}
    assert task_with_data.data == {}


@pytest.mark.parametrize("state", ["FINISHED", "ERROR"])
def test_first_acknowledgement_stays(state: str) -> None:
    first = a_task(state).acknowledged(7, 9)

    assert (first.acknowledged_by, first.acknowledged_at) == (7, 9)
    assert first.acknowledged(8, 10) == first


@pytest.mark.parametrize("state", ["NEW", "RUNNING"])
def test_running_task_cannot_be_acknowledged(state: str) -> None:
    with pytest.raises(Conflict, match=f"is {state}"):
        a_task(state).acknowledged(7, 9)
