"""Projects: what may become of one, and when."""

import pytest

from pileus.domain.account.projects import Project
from pileus.domain.errors import Conflict

PROJECT = Project(id=2, client_id=1, name="staging", description="old", created_at=5)


def test_a_patch_changes_what_it_names() -> None:
    assert PROJECT.patched({}) == PROJECT
    assert PROJECT.patched({"name": "other"}).description == "old"
    assert PROJECT.patched({"description": None}).description is None


def test_a_deletion_holds_the_project_until_it_is_gone_or_stays() -> None:
    leaving = PROJECT.deleting("t-1")

    assert (leaving.state, leaving.task_id, leaving.deleted_at) == ("DELETING", "t-1", None)
    assert leaving.deletion_failed() == PROJECT
    left = leaving.deleted(9)
    assert (left.state, left.task_id, left.deleted_at) == ("DELETED", None, 9)


@pytest.mark.parametrize("again", [lambda held: held.deleting("t-2"), lambda held: held.patched({"name": "other"})])
def test_what_a_task_holds_is_left_alone(again: object) -> None:
    assert callable(again)

    with pytest.raises(Conflict, match="locked by task t-1"):
        again(PROJECT.deleting("t-1"))


def test_the_default_project_stays() -> None:
    with pytest.raises(Conflict, match="default project"):
        Project(id=1, client_id=1, name="default", is_default=True, created_at=5).deleting("t-1")
