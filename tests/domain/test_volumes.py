"""The rules of volumes, attachments and snapshots."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.errors import Conflict, Invalid, NotFound, Problem
from pileus.domain.storage.attachments import plan_attachment
from pileus.domain.storage.volumes import (
    Attachment,
    Snapshot,
    SnapshotStatus,
    Volume,
    VolumeStatus,
    device_name,
    require_allowed_volume_size,
)
from tests.domain.builders import NOW, TASK, a_snapshot, a_volume, an_instance, the_catalogue

LATER = NOW + 5
STANDARD, HIIOPS, LOCAL = (the_catalogue().volume_type(name) for name in ("standard", "ssd_hiiops", "ssd_local"))


def an_attachment(**changes: Any) -> Attachment:
    fields = {"volume_id": "v-1", "id": "a-1", "instance_id": "i-1", "device": "/dev/vda", "attached_at": NOW}
    return Attachment(**{**fields, **changes})


def detaching(volume: Volume) -> Volume:
    return volume.detaching(an_attachment(), "i-1", TASK, LATER)


VERBS: dict[str, tuple[Callable[[Volume], Volume], VolumeStatus, set[VolumeStatus]]] = {
    "attach": (lambda v: v.attaching(TASK, LATER), VolumeStatus.ATTACHING, {VolumeStatus.AVAILABLE}),
    "detach": (detaching, VolumeStatus.DETACHING, {VolumeStatus.IN_USE}),
    "extend": (
        lambda v: v.extending(30, STANDARD, TASK, LATER),
        VolumeStatus.EXTENDING,
        {VolumeStatus.AVAILABLE, VolumeStatus.IN_USE},
    ),
    "retype": (
        lambda v: v.retyping(HIIOPS, "ssd_hiiops", [], TASK, LATER),
        VolumeStatus.RETYPING,
        {VolumeStatus.AVAILABLE, VolumeStatus.IN_USE},
    ),
    "revert": (
        lambda v: v.reverting([a_snapshot()], TASK, LATER)[0],
        VolumeStatus.REVERTING,
        {VolumeStatus.AVAILABLE},
    ),
    "delete": (
        lambda v: v.deleting(TASK, LATER),
        VolumeStatus.DELETING,
        {VolumeStatus.AVAILABLE, VolumeStatus.ERROR, VolumeStatus.ERROR_DELETING},
    ),
}


@pytest.mark.parametrize("status", list(VolumeStatus))
@pytest.mark.parametrize("verb", VERBS)
def test_operation_starts_in_its_statuses_only(verb: str, status: VolumeStatus) -> None:
    start, meanwhile, allowed = VERBS[verb]
    volume = a_volume(status=status.value)

    if status not in allowed:
        with pytest.raises(Conflict, match=f"Cannot {verb} volume v-1 in status {status}"):
            start(volume)
        return
    started = start(volume)
    assert (started.status, started.task_id, started.updated_at) == (meanwhile, TASK, LATER)


@pytest.mark.parametrize("verb", VERBS)
def test_locked_volume_starts_no_operation(verb: str) -> None:
    start, _, allowed = VERBS[verb]

    for status in allowed:
        with pytest.raises(Conflict, match="locked by running task `other`"):
            start(a_volume(status=status.value, task_id="other"))


def test_with_status_unlocks_the_volume() -> None:
    released = a_volume(task_id=TASK, status="attaching").unlocked_with_status(VolumeStatus.IN_USE, LATER)

    assert (released.status, released.task_id, released.updated_at) == ("in-use", None, LATER)


def test_patch_changes_only_the_name() -> None:
    volume = a_volume()

    assert volume.patched({"name": "other"}, LATER) == replace(volume, name="other", updated_at=LATER)
    assert volume.patched({"tags": {"a": "b"}}, LATER) is volume
    with pytest.raises(Conflict, match="currently locked"):
        a_volume(task_id=TASK).patched({}, LATER)


@pytest.mark.parametrize(
    ("size", "text"), [(20, "greater than 20"), (1, "greater than 20"), (102401, "equal to 102400")]
)
def test_extension_must_be_larger_and_within_the_types_limit(size: int, text: str) -> None:
    with pytest.raises(Invalid, match=text):
        a_volume().extending(size, STANDARD, TASK, LATER)


def test_extended_size_counts_at_once() -> None:
    assert a_volume().extending(21, STANDARD, TASK, LATER).size == 21
    assert a_volume().extending(10**6, None, TASK, LATER).size == 10**6


def test_volume_of_a_fixed_size_type_cannot_be_extended() -> None:
    with pytest.raises(Invalid, match="those of type ssd_local keep their size"):
        a_volume(type_name="ssd_local").extending(30, LOCAL, TASK, LATER)


@pytest.mark.parametrize("name", ["cold", "ultra", "ssd_local", "ssd_lowlatency"])
def test_other_types_cannot_be_retyped(name: str) -> None:
    with pytest.raises(Invalid, match=f"it is of type {name}"):
        a_volume(type_name=name).retyping(STANDARD, "standard", [], TASK, LATER)


def test_retype_needs_an_existing_type_and_no_snapshots() -> None:
    with pytest.raises(Invalid, match="no volume type ssd_hiiops"):
        a_volume().retyping(None, "ssd_hiiops", [], TASK, LATER)
    with pytest.raises(Conflict, match="it has snapshots"):
        a_volume().retyping(HIIOPS, "ssd_hiiops", [a_snapshot()], TASK, LATER)


def test_volume_is_reverted_to_its_last_snapshot() -> None:
    older, last = a_snapshot(id="s-1"), a_snapshot(id="s-2", created_at=NOW + 1)

    _, restoring = a_volume().reverting([last, older], TASK, LATER)

    assert (restoring.id, restoring.status, restoring.task_id) == ("s-2", "restoring", TASK)


@pytest.mark.parametrize(
    ("snapshots", "problem", "text"),
    [
        ([], Invalid, "it has no snapshots"),
        ([a_snapshot(size=10)], Invalid, "it was 10 GiB when the snapshot was taken"),
        ([a_snapshot(status="error")], Conflict, "Snapshot s-1 is error"),
        ([a_snapshot(task_id="other")], Conflict, "`s-1` currently locked by running task `other`"),
    ],
)
def test_revert_needs_an_available_snapshot_of_the_same_size(
    snapshots: list[Snapshot], problem: type[Problem], text: str
) -> None:
    with pytest.raises(problem, match=text):
        a_volume().reverting(snapshots, TASK, LATER)


@pytest.mark.parametrize(
    ("attachment", "problem", "text"),
    [
        (None, NotFound, "is not attached to instance i-1"),
        (an_attachment(instance_id="i-2"), NotFound, "is not attached to instance i-1"),
        (an_attachment(boot_index=0), Invalid, "is the boot volume of instance i-1"),
    ],
)
def test_volume_is_detached_only_from_its_instance_and_not_if_it_boots(
    attachment: Attachment | None, problem: type[Problem], text: str
) -> None:
    with pytest.raises(problem, match=text):
        a_volume(status="in-use").detaching(attachment, "i-1", TASK, LATER)


@pytest.mark.parametrize("status", list(VolumeStatus))
def test_snapshot_needs_an_available_or_attached_volume(status: VolumeStatus) -> None:
    volume = a_volume(status=status.value)

    if status in (VolumeStatus.AVAILABLE, VolumeStatus.IN_USE):
        assert volume.require_snapshottable() is volume
    else:
        with pytest.raises(Conflict, match="Cannot take a snapshot"):
            volume.require_snapshottable()


@pytest.mark.parametrize("status", list(SnapshotStatus))
def test_snapshot_can_be_deleted_if_available_or_failed(status: SnapshotStatus) -> None:
    snapshot = a_snapshot(status=status.value)

    if status in (SnapshotStatus.CREATING, SnapshotStatus.RESTORING, SnapshotStatus.DELETING):
        with pytest.raises(Conflict, match=f"Cannot delete snapshot s-1 in status {status}"):
            snapshot.deleting(TASK, LATER)
    else:
        assert snapshot.deleting(TASK, LATER).status == "deleting"


def test_device_names_are_those_of_disks() -> None:
    assert [device_name(at) for at in (0, 1, 25, 26, 701, 702)] == [
        "/dev/vda", "/dev/vdb", "/dev/vdz", "/dev/vdaa", "/dev/vdzz", "/dev/vdaaa",
    ]  # fmt: skip


def attach(
    volume: Volume, *others: Attachment, is_basic: bool = False, tag: str | None = None, **fields: Any
) -> Attachment:
    return plan_attachment(
        volume, an_instance(**fields), others, is_shared_vm=is_basic, tag=tag, new_id="a-2", now=LATER
    )


def test_volume_gets_the_first_free_device() -> None:
    attachments = [an_attachment(device=name) for name in ("/dev/vda", "/dev/vdc")]

    assert attach(a_volume(), *attachments).device == "/dev/vdb"
    assert attach(a_volume()).device == "/dev/vda"
    assert attach(a_volume(), tag="logs").attachment_tag == "logs"


@pytest.mark.parametrize(
    "fields", [{"kind": "baremetal"}, {"kind": "gpu"}, {"status": "ERROR"}, {"status": "BUILD"}, {"task_id": "other"}]
)
def test_volume_cannot_be_attached_to_every_instance(fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid if "kind" in fields else Conflict):
        attach(a_volume(), **fields)


def test_ultra_volume_needs_a_shared_flavor() -> None:
    assert attach(a_volume(type_name="ultra"), is_basic=True).instance_id == "i-1"
    with pytest.raises(Invalid, match="only instances of shared flavors"):
        attach(a_volume(type_name="ultra"))


def test_attachment_tag_is_unique_per_instance() -> None:
    with pytest.raises(Invalid, match="Another volume"):
        attach(a_volume(), an_attachment(attachment_tag="logs"), tag="logs")


def test_size_is_within_the_types_limits() -> None:
    assert STANDARD is not None
    narrow = replace(STANDARD, min_size=5, max_size=6)

    assert [require_allowed_volume_size(size, narrow) for size in (5, 6)] == [5, 6]
    for size in (4, 7):
        with pytest.raises(Invalid):
            require_allowed_volume_size(size, narrow)
