"""The rules of volumes, attachments and snapshots."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.errors import Conflict, Invalid
from pileus.domain.storage.attachments import plan_attachment
from pileus.domain.storage.volumes import (
    Attachment,
    Snapshot,
    SnapshotStatus,
    Volume,
    VolumeStatus,
    device_name,
    require_allowed_size,
    snapshots_to_delete,
)
from tests.domain.builders import NOW, TASK, a_snapshot, a_volume, an_instance, the_catalogue

LATER = NOW + 5
STANDARD, HIIOPS, LOCAL = (the_catalogue().volume_type(name) for name in ("standard", "ssd_hiiops", "ssd_local"))


def an_attachment(**changes: Any) -> Attachment:
    facts = {"volume_id": "v-1", "id": "a-1", "instance_id": "i-1", "device": "/dev/vda", "attached_at": NOW}
    return Attachment(**{**facts, **changes})


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
def test_each_verb_begins_where_it_may_and_nowhere_else(verb: str, status: VolumeStatus) -> None:
    begin, meanwhile, allowed = VERBS[verb]
    volume = a_volume(status=status.value)

    if status not in allowed:
        with pytest.raises(Conflict, match=f"Cannot {verb} volume v-1 in status {status}"):
            begin(volume)
        return
    held = begin(volume)
    assert (held.status, held.task_id, held.updated_at) == (meanwhile, TASK, LATER)


@pytest.mark.parametrize("verb", VERBS)
def test_what_a_task_holds_begins_nothing(verb: str) -> None:
    begin, _, allowed = VERBS[verb]

    for status in allowed:
        with pytest.raises(Conflict, match="is locked by task other"):
            begin(a_volume(status=status.value, task_id="other"))


def test_standing_lets_it_go() -> None:
    stood = a_volume(task_id=TASK, status="attaching").with_status(VolumeStatus.IN_USE, LATER)

    assert (stood.status, stood.task_id, stood.updated_at) == ("in-use", None, LATER)


def test_a_patch_renames_it_and_leaves_the_rest() -> None:
    volume = a_volume()

    assert volume.patched({"name": "other"}, LATER) == replace(volume, name="other", updated_at=LATER)
    assert volume.patched({"tags": {"a": "b"}}, LATER) is volume
    with pytest.raises(Conflict, match="is locked"):
        a_volume(task_id=TASK).patched({}, LATER)


@pytest.mark.parametrize(
    ("size", "text"), [(20, "greater than 20"), (1, "greater than 20"), (102401, "equal to 102400")]
)
def test_it_only_grows_and_not_beyond_its_type(size: int, text: str) -> None:
    with pytest.raises(Invalid, match=text):
        a_volume().extending(size, STANDARD, TASK, LATER)


def test_the_larger_size_counts_at_once() -> None:
    assert a_volume().extending(21, STANDARD, TASK, LATER).size == 21
    assert a_volume().extending(10**6, None, TASK, LATER).size == 10**6


def test_some_types_keep_their_size() -> None:
    with pytest.raises(Conflict, match="those of type ssd_local keep their size"):
        a_volume(type_name="ssd_local").extending(30, LOCAL, TASK, LATER)


@pytest.mark.parametrize("name", ["cold", "ultra", "ssd_local", "ssd_lowlatency"])
def test_other_types_stay_what_they_are(name: str) -> None:
    with pytest.raises(Conflict, match=f"it is of type {name}"):
        a_volume(type_name=name).retyping(STANDARD, "standard", [], TASK, LATER)


def test_a_retype_needs_a_type_that_is_there_and_no_snapshots() -> None:
    with pytest.raises(Invalid, match="no volume type ssd_hiiops"):
        a_volume().retyping(None, "ssd_hiiops", [], TASK, LATER)
    with pytest.raises(Conflict, match="it has snapshots"):
        a_volume().retyping(HIIOPS, "ssd_hiiops", [a_snapshot()], TASK, LATER)


def test_it_goes_back_to_its_last_snapshot() -> None:
    older, last = a_snapshot(id="s-1"), a_snapshot(id="s-2", created_at=NOW + 1)

    _, restoring = a_volume().reverting([last, older], TASK, LATER)

    assert (restoring.id, restoring.status, restoring.task_id) == ("s-2", "restoring", TASK)


@pytest.mark.parametrize(
    ("snapshots", "text"),
    [
        ([], "it has no snapshots"),
        ([a_snapshot(size=10)], "it was 10 GiB when the snapshot was taken"),
        ([a_snapshot(status="error")], "Snapshot s-1 is error"),
        ([a_snapshot(task_id="other")], "Snapshot s-1 is locked by task other"),
    ],
)
def test_it_cannot_always_go_back(snapshots: list[Snapshot], text: str) -> None:
    with pytest.raises(Conflict, match=text):
        a_volume().reverting(snapshots, TASK, LATER)


@pytest.mark.parametrize(
    ("attachment", "text"),
    [
        (None, "is not attached to instance i-1"),
        (an_attachment(instance_id="i-2"), "is not attached to instance i-1"),
        (an_attachment(boot_index=0), "is the boot volume of instance i-1"),
    ],
)
def test_it_is_taken_off_where_it_hangs_and_not_booted_from(attachment: Attachment | None, text: str) -> None:
    with pytest.raises(Conflict, match=text):
        a_volume(status="in-use").detaching(attachment, "i-1", TASK, LATER)


@pytest.mark.parametrize("status", list(VolumeStatus))
def test_a_snapshot_is_taken_of_what_is_in_order(status: VolumeStatus) -> None:
    volume = a_volume(status=status.value)

    if status in (VolumeStatus.AVAILABLE, VolumeStatus.IN_USE):
        assert volume.require_snapshottable() is volume
    else:
        with pytest.raises(Conflict, match="Cannot take a snapshot"):
            volume.require_snapshottable()


@pytest.mark.parametrize("status", list(SnapshotStatus))
def test_a_snapshot_is_deleted_when_it_is_whole_or_has_failed(status: SnapshotStatus) -> None:
    snapshot = a_snapshot(status=status.value)

    if status in (SnapshotStatus.CREATING, SnapshotStatus.RESTORING, SnapshotStatus.DELETING):
        with pytest.raises(Conflict, match=f"Cannot delete snapshot s-1 in status {status}"):
            snapshot.deleting(TASK, LATER)
    else:
        assert snapshot.deleting(TASK, LATER).status == "deleting"


def test_all_snapshots_go_with_their_volume() -> None:
    both = [a_snapshot(id="s-1"), a_snapshot(id="s-2")]

    assert [(each.id, each.task_id) for each in snapshots_to_delete(both, ["s-2"], TASK, LATER)] == [
        ("s-1", TASK),
        ("s-2", TASK),
    ]
    with pytest.raises(Invalid, match="Snapshot s-3 is not one of this volume"):
        snapshots_to_delete(both, ["s-1", "s-3"], TASK, LATER)


def test_devices_are_named_as_disks_are() -> None:
    assert [device_name(at) for at in (0, 1, 25, 26, 701, 702)] == [
        "/dev/vda", "/dev/vdb", "/dev/vdz", "/dev/vdaa", "/dev/vdzz", "/dev/vdaaa",
    ]  # fmt: skip


def hang(volume: Volume, *others: Attachment, shared: bool = False, tag: str | None = None, **facts: Any) -> Attachment:
    return plan_attachment(volume, an_instance(**facts), others, is_basic=shared, tag=tag, new_id="a-2", now=LATER)


def test_it_takes_the_first_free_place() -> None:
    taken = [an_attachment(device=name) for name in ("/dev/vda", "/dev/vdc")]

    assert hang(a_volume(), *taken).device == "/dev/vdb"
    assert hang(a_volume()).device == "/dev/vda"
    assert hang(a_volume(), tag="logs").attachment_tag == "logs"


@pytest.mark.parametrize(
    "facts", [{"kind": "baremetal"}, {"kind": "gpu"}, {"status": "ERROR"}, {"status": "BUILD"}, {"task_id": "other"}]
)
def test_not_every_instance_takes_it(facts: dict[str, Any]) -> None:
    with pytest.raises(Conflict):
        hang(a_volume(), **facts)


def test_an_ultra_one_needs_a_shared_flavor() -> None:
    assert hang(a_volume(type_name="ultra"), shared=True).instance_id == "i-1"
    with pytest.raises(Conflict, match="only instances of shared flavors"):
        hang(a_volume(type_name="ultra"))


def test_an_attachment_tag_is_there_once() -> None:
    with pytest.raises(Invalid, match="Another volume"):
        hang(a_volume(), an_attachment(attachment_tag="logs"), tag="logs")


def test_a_size_fits_its_type() -> None:
    assert STANDARD is not None
    narrow = replace(STANDARD, min_size=5, max_size=6)

    assert [require_allowed_size(size, narrow) for size in (5, 6)] == [5, 6]
    for size in (4, 7):
        with pytest.raises(Invalid):
            require_allowed_size(size, narrow)
