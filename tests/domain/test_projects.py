"""Projects: patches, deletion and locks."""

import pytest

from pileus.domain.account.projects import Project
from pileus.domain.errors import Conflict, Invalid

PROJECT = Project(id=2, client_id=1, name="staging", description="old", created_at=5)


def test_patch_changes_only_its_fields() -> None:
    assert PROJECT.patched({}) == PROJECT
    assert PROJECT.patched({"name": "other"}).description == "old"
    assert PROJECT.patched({"description": None}).description is None


def test_deletion_locks_the_project_until_it_succeeds_or_fails() -> None:
    deleting = PROJECT.deleting("t-1")

    assert (deleting.state, deleting.task_id, deleting.deleted_at) == ("DELETING", "t-1", None)
    assert deleting.deletion_failed() == PROJECT
    deleted = deleting.deleted(9)
    assert (deleted.state, deleted.task_id, deleted.deleted_at) == ("DELETED", None, 9)


@pytest.mark.parametrize(
    "change", [lambda project: project.deleting("t-2"), lambda project: project.patched({"name": "other"})]
)
def test_locked_project_cannot_be_changed(change: object) -> None:
    assert callable(change)

    with pytest.raises(Conflict, match="locked by running task `t-1`"):
        change(PROJECT.deleting("t-1"))


def test_default_project_cannot_be_deleted() -> None:
    with pytest.raises(Invalid, match="default project"):
        Project(id=1, client_id=1, name="default", is_default=True, created_at=5).deleting("t-1")
