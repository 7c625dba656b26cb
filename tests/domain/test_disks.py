"""The volumes of a new instance: source, size, type and boot order."""

from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instance_orders import NewVolume, VolumeSource
from pileus.domain.errors import Conflict, Invalid, NotFound
from pileus.domain.storage.disks import (
    ResolvedDisk,
    VolumeSourceRecords,
    find_boot_disk,
    resolve_disk,
    with_assigned_boot_order,
)
from tests.domain.builders import (
    TASK,
    UBUNTU,
    WINDOWS,
    a_snapshot,
    a_volume,
    blank_volume,
    image_volume,
    order_sources,
    public_images,
)
from tests.errors import list_error_paths

FLAVOR = Flavor(id="g1-standard-2-4", vcpus=2, ram=4096)
SHARED = Flavor(id="g1s-shared-1-1", vcpus=1, ram=1024, disk=20)


def snapshot_volume(**changes: Any) -> NewVolume:
    return NewVolume(**{"source": VolumeSource.SNAPSHOT, "source_id": "s-1", "size": 20, **changes})


def existing_volume(**changes: Any) -> NewVolume:
    return NewVolume(**{"source": VolumeSource.EXISTING, "source_id": "v-1", **changes})


def wordpress_volume(**changes: Any) -> NewVolume:
    return NewVolume(**{"source": VolumeSource.APPTEMPLATE, "source_id": "wordpress", **changes})


def sources_with_volume(
    volume: dict[str, Any] | None = None, snapshot: dict[str, Any] | None = None
) -> VolumeSourceRecords:
    """Return a bootable volume and a snapshot of it."""
    record = a_volume(**{"bootable": True, "image_id": UBUNTU, "type_name": "ssd_hiiops", **(volume or {})})
    return order_sources(volumes={record.id: record}, snapshots={"s-1": a_snapshot(**(snapshot or {}))})


@pytest.mark.parametrize(
    ("requested", "flavor", "size", "type_name", "bootable", "image"),
    [
        (blank_volume(size=5), FLAVOR, 5, "standard", False, None),
        (blank_volume(size=5, type_name="ultra"), FLAVOR, 5, "ultra", False, None),
        (image_volume(), FLAVOR, 10, "standard", True, UBUNTU),
        (image_volume(size=5), FLAVOR, 5, "standard", True, UBUNTU),
        (image_volume(WINDOWS), FLAVOR, 50, "standard", True, WINDOWS),
        (image_volume(size=99, type_name="cold"), FLAVOR, 99, "cold", True, UBUNTU),
        (image_volume(), SHARED, 20, "standard", True, UBUNTU),
        (image_volume(size=99), SHARED, 20, "standard", True, UBUNTU),
        (wordpress_volume(), FLAVOR, 10, "standard", True, UBUNTU),
        (wordpress_volume(size=30), FLAVOR, 30, "standard", True, UBUNTU),
        (snapshot_volume(), FLAVOR, 20, "ssd_hiiops", True, UBUNTU),
        (snapshot_volume(size=None), FLAVOR, 20, "ssd_hiiops", True, UBUNTU),
        (snapshot_volume(size=40, type_name="standard"), FLAVOR, 40, "standard", True, UBUNTU),
        (existing_volume(), FLAVOR, 20, "ssd_hiiops", True, UBUNTU),
        (existing_volume(), SHARED, 20, "ssd_hiiops", True, UBUNTU),
    ],
)
def test_volume_is_resolved_from_its_source(  # noqa: PLR0917
    requested: NewVolume,
    flavor: Flavor,
    size: int,
    type_name: str,
    bootable: bool,  # noqa: FBT001
    image: str | None,
) -> None:
    disk = resolve_disk(requested, flavor, sources_with_volume())

    assert (disk.size, disk.type_name, disk.bootable) == (size, type_name, bootable)
    assert (disk.image.id if disk.image else None) == image


@pytest.mark.parametrize(
    ("requested", "field", "text"),
    [
        (blank_volume(size=None), "size", "Field required"),
        (image_volume(size=4), "size", "greater than or equal to 5"),
        (image_volume(WINDOWS, size=49), "size", "greater than or equal to 50"),
        (wordpress_volume(size=9), "size", "greater than or equal to 10"),
        (snapshot_volume(size=19), "size", "greater than or equal to 20"),
        (blank_volume(size=102401), "size", "less than or equal to 102400"),
        (blank_volume(type_name="warm"), "type_name", "no volume type warm"),
        (snapshot_volume(type_name="ultra"), "type_name", "cannot be made from a snapshot"),
        (snapshot_volume(type_name="ssd_lowlatency"), "type_name", "cannot be made from a snapshot"),
    ],
)
def test_invalid_size_or_type_is_rejected(requested: NewVolume, field: str, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        resolve_disk(requested, FLAVOR, sources_with_volume())

    assert list(refused.value.fields) == [field]
    assert text in refused.value.fields[field][0]


def test_shared_flavor_too_small_for_the_image_is_rejected() -> None:
    with pytest.raises(Invalid, match="greater than or equal to 50"):
        resolve_disk(image_volume(WINDOWS), SHARED, sources_with_volume())


@pytest.mark.parametrize(
    "requested", [image_volume("none"), image_volume(source_id=None), wordpress_volume(source_id="none")]
)
def test_unknown_source_is_not_found(requested: NewVolume) -> None:
    with pytest.raises(NotFound, match="could not be found"):
        resolve_disk(requested, FLAVOR, sources_with_volume())


@pytest.mark.parametrize("requested", [snapshot_volume(), existing_volume()])
def test_source_of_another_project_is_not_found(requested: NewVolume) -> None:
    with pytest.raises(NotFound, match=r"(Snapshot s-1|Volume v-1) could not be found"):
        resolve_disk(requested, FLAVOR, order_sources())


def test_app_template_of_another_region_is_not_found() -> None:
    with pytest.raises(NotFound, match="Image"):
        resolve_disk(wordpress_volume(), FLAVOR, order_sources(region_id=2))


def test_volume_type_that_the_region_does_not_offer_is_rejected() -> None:
    with pytest.raises(Invalid, match="no volume type standard in this region"):
        resolve_disk(blank_volume(), FLAVOR, order_sources(volume_types={}))


@pytest.mark.parametrize("status", ["creating", "in-use", "reserved", "attaching", "detaching", "deleting", "error"])
def test_only_an_available_volume_is_usable(status: str) -> None:
    assert resolve_disk(existing_volume(), FLAVOR, sources_with_volume()).is_usable
    assert not resolve_disk(existing_volume(), FLAVOR, sources_with_volume({"status": status})).is_usable


def test_locked_volume_cannot_be_attached() -> None:
    with pytest.raises(Conflict, match=f"`v-1` currently locked by running task `{TASK}`"):
        resolve_disk(existing_volume(), FLAVOR, sources_with_volume({"task_id": TASK}))


def test_unfinished_image_or_snapshot_cannot_be_a_source() -> None:
    images = {UBUNTU: replace(public_images()[UBUNTU], status="queued")}

    with pytest.raises(Conflict, match=r"Image .* is queued"):
        resolve_disk(image_volume(), FLAVOR, order_sources(images=images))
    with pytest.raises(Conflict, match="Snapshot s-1 is creating"):
        resolve_disk(snapshot_volume(), FLAVOR, sources_with_volume(snapshot={"status": "creating"}))


def test_snapshot_of_a_data_volume_is_not_bootable() -> None:
    assert not resolve_disk(
        snapshot_volume(), FLAVOR, sources_with_volume({"bootable": False, "image_id": None})
    ).bootable


def boot_indexes(*requested: NewVolume) -> list[tuple[str | None, int]]:
    """Return each volume's name and boot index, in the order of devices."""
    return [(disk.requested.name, disk.boot_index) for disk in boot_order(*requested)]


def boot_order(*requested: NewVolume) -> list[ResolvedDisk]:
    return with_assigned_boot_order([resolve_disk(volume, FLAVOR, sources_with_volume()) for volume in requested])


A, B, DATA = image_volume(name="a"), image_volume(name="b"), blank_volume(name="data")


@pytest.mark.parametrize(
    ("requested", "indexes"),
    [
        ([A], [("a", 0)]),
        ([A, B], [("a", 0), ("b", -1)]),
        ([DATA, A], [("a", 0), ("data", -1)]),
        ([DATA], [("data", -1)]),
        ([A, image_volume(name="b", boot_index=0)], [("b", 0), ("a", -1)]),
        ([image_volume(name="a", boot_index=1), image_volume(name="b", boot_index=0)], [("b", 0), ("a", 1)]),
        ([image_volume(name="a", boot_index=-1), B], [("b", 0), ("a", -1)]),
        ([image_volume(name="a", boot_index=-1)], [("a", -1)]),
        ([image_volume(name="a", boot_index=-5), image_volume(name="b", boot_index=-5)], [("a", -1), ("b", -1)]),
        ([image_volume(name="a", boot_index=2), B], [("b", 0), ("a", 2)]),
        ([A, blank_volume(name="data", boot_index=1)], [("a", 0), ("data", 1)]),
        ([blank_volume(name="data", boot_index=1), image_volume(name="a", boot_index=0)], [("a", 0), ("data", 1)]),
        (
            [A, blank_volume(name="x", boot_index=1), blank_volume(name="y", boot_index=1), B],
            [("a", 0), ("x", 1), ("y", 2), ("b", -1)],
        ),
    ],
)
def test_boot_disk_comes_first(requested: list[NewVolume], indexes: list[tuple[str | None, int]]) -> None:
    assert boot_indexes(*requested) == indexes


@pytest.mark.parametrize(
    ("requested", "boot_name"),
    [
        ([A, DATA], "a"),
        ([image_volume(name="a", boot_index=2), image_volume(name="b", boot_index=1)], "b"),
        ([DATA], None),
        ([blank_volume(boot_index=1)], None),
        ([blank_volume(boot_index=1), image_volume(name="b", boot_index=2)], "b"),
        ([image_volume(name="a", boot_index=-1)], None),
    ],
)
def test_instance_boots_from_the_lowest_index(requested: list[NewVolume], boot_name: str | None) -> None:
    disk = find_boot_disk(boot_order(*requested))

    assert (disk.requested.name if disk else None) == boot_name


@pytest.mark.parametrize(
    ("requested", "field"),
    [
        ([image_volume(boot_index=0), image_volume(boot_index=0)], "volumes"),
        ([blank_volume(boot_index=0)], "volumes.0.boot_index"),
        ([image_volume(attachment_tag="x"), blank_volume(attachment_tag="x")], "volumes"),
        ([A, existing_volume(), existing_volume()], "volumes"),
    ],
)
def test_duplicate_or_unbootable_values_are_rejected(requested: list[NewVolume], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        boot_order(*requested)

    assert list_error_paths(refused.value.fields) == [field]
