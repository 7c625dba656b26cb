"""Placement groups: the choice of a member's host."""

from typing import Any

import pytest

from pileus.domain.compute.placement_groups import PlacementGroup, choose_host, may_stay_on_host
from pileus.domain.errors import Conflict
from tests.domain.builders import NOW, TASK

HOSTS = ["h-1", "h-2", "h-3"]
LOAD = {"h-1": 5, "h-2": 1, "h-3": 2}


@pytest.mark.parametrize(
    ("policy", "taken", "host"),
    [
        (None, [], "h-2"),
        ("affinity", [], "h-2"),
        ("affinity", ["h-1"], "h-1"),
        ("affinity", ["gone"], None),
        ("anti-affinity", ["h-2"], "h-3"),
        ("anti-affinity", HOSTS, None),
        ("soft-anti-affinity", ["h-2", "h-3"], "h-1"),
        ("soft-anti-affinity", HOSTS, "h-2"),
    ],
)
def test_least_loaded_allowed_host_is_chosen(policy: str | None, taken: list[str], host: str | None) -> None:
    assert choose_host(HOSTS, LOAD, policy, taken) == host


@pytest.mark.parametrize(
    ("policy", "taken", "may_stay"),
    [
        ("affinity", [], True),
        ("affinity", ["h-1"], True),
        ("affinity", ["h-2"], False),
        ("anti-affinity", [], True),
        ("anti-affinity", ["h-2"], True),
        ("anti-affinity", ["h-1"], False),
        ("soft-anti-affinity", ["h-1"], False),
    ],
)
def test_new_member_may_stay_if_the_policy_allows_it(policy: str, taken: list[str], *, may_stay: bool) -> None:
    assert may_stay_on_host("h-1", policy, taken) is may_stay
    assert not may_stay_on_host(None, policy, taken)


def test_locked_group_raises_conflict() -> None:
    fields: dict[str, Any] = {"client_id": 1, "project_id": 1, "region_id": 1, "created_at": NOW}
    free = PlacementGroup(id="g-1", name="together", policy="affinity", **fields)
    locked = PlacementGroup(id="g-1", name="together", policy="affinity", task_id=TASK, **fields)

    assert free.require_unlocked() is free
    with pytest.raises(Conflict, match=f"`g-1` currently locked by running task `{TASK}`"):
        locked.require_unlocked()
