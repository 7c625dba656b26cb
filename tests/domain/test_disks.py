"""The volumes of a server to be made: what each is made of, its size and type, and which one boots."""

from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.catalogue import image_id
from pileus.domain.compute.flavors import Flavor
from pileus.domain.compute.instance_orders import NewVolume, VolumeSource
from pileus.domain.errors import Conflict, Invalid, NotFound
from pileus.domain.storage.disks import (
    OrderSources,
    ResolvedDisk,
    boot_disk,
    resolve_disk,
    source_image_ids,
    with_boot_order,
)
from tests.domain.builders import (
    TASK,
    UBUNTU,
    WINDOWS,
    a_snapshot,
    a_volume,
    blank,
    found,
    from_image,
    public_images,
    the_catalogue,
)

FLAVOR = Flavor(id="g1-standard-2-4", vcpus=2, ram=4096)
SHARED = Flavor(id="g1s-shared-1-1", vcpus=1, ram=1024, disk=20)


def from_snapshot(**changes: Any) -> NewVolume:
    return NewVolume(**{"source": VolumeSource.SNAPSHOT, "source_id": "s-1", "size": 20, **changes})


def existing(**changes: Any) -> NewVolume:
    return NewVolume(**{"source": VolumeSource.EXISTING, "source_id": "v-1", **changes})


def wordpress(**changes: Any) -> NewVolume:
    return NewVolume(**{"source": VolumeSource.APPTEMPLATE, "source_id": "wordpress", **changes})


def store(volume: dict[str, Any] | None = None, snapshot: dict[str, Any] | None = None) -> OrderSources:
    """A volume that boots, and a snapshot of it."""
    one = a_volume(**{"bootable": True, "image_id": UBUNTU, "type_name": "ssd_hiiops", **(volume or {})})
    return found(volumes={one.id: one}, snapshots={"s-1": a_snapshot(**(snapshot or {}))})


@pytest.mark.parametrize(
    ("ordered", "flavor", "size", "type_name", "bootable", "image"),
    [
        (blank(size=5), FLAVOR, 5, "standard", False, None),
        (blank(size=5, type_name="ultra"), FLAVOR, 5, "ultra", False, None),
        (from_image(), FLAVOR, 10, "standard", True, UBUNTU),
        (from_image(size=5), FLAVOR, 5, "standard", True, UBUNTU),
        (from_image(WINDOWS), FLAVOR, 50, "standard", True, WINDOWS),
        (from_image(size=99, type_name="cold"), FLAVOR, 99, "cold", True, UBUNTU),
        (from_image(), SHARED, 20, "standard", True, UBUNTU),
        (from_image(size=99), SHARED, 20, "standard", True, UBUNTU),
        (wordpress(), FLAVOR, 10, "standard", True, UBUNTU),
        (wordpress(size=30), FLAVOR, 30, "standard", True, UBUNTU),
        (from_snapshot(), FLAVOR, 20, "ssd_hiiops", True, UBUNTU),
        (from_snapshot(size=None), FLAVOR, 20, "ssd_hiiops", True, UBUNTU),
        (from_snapshot(size=40, type_name="standard"), FLAVOR, 40, "standard", True, UBUNTU),
        (existing(), FLAVOR, 20, "ssd_hiiops", True, UBUNTU),
        (existing(), SHARED, 20, "ssd_hiiops", True, UBUNTU),
    ],
)
def test_a_volume_is_made_of_its_source(  # noqa: PLR0917
    ordered: NewVolume,
    flavor: Flavor,
    size: int,
    type_name: str,
    bootable: bool,  # noqa: FBT001
    image: str | None,
) -> None:
    disk = resolve_disk(ordered, flavor, store())

    assert (disk.size, disk.type_name, disk.bootable) == (size, type_name, bootable)
    assert (disk.image.id if disk.image else None) == image


@pytest.mark.parametrize(
    ("ordered", "field", "text"),
    [
        (blank(size=None), "size", "Field required"),
        (from_image(size=4), "size", "greater than or equal to 5"),
        (from_image(WINDOWS, size=49), "size", "greater than or equal to 50"),
        (wordpress(size=9), "size", "greater than or equal to 10"),
        (from_snapshot(size=19), "size", "greater than or equal to 20"),
        (blank(size=102401), "size", "less than or equal to 102400"),
        (blank(type_name="warm"), "type_name", "no volume type warm"),
        (from_snapshot(type_name="ultra"), "type_name", "cannot be made from a snapshot"),
        (from_snapshot(type_name="ssd_lowlatency"), "type_name", "cannot be made from a snapshot"),
    ],
)
def test_a_size_or_type_that_cannot_be_is_refused(ordered: NewVolume, field: str, text: str) -> None:
    with pytest.raises(Invalid) as refused:
        resolve_disk(ordered, FLAVOR, store())

    assert list(refused.value.fields) == [field]
    assert text in refused.value.fields[field][0]


def test_a_shared_flavor_too_small_for_an_image_is_refused() -> None:
    with pytest.raises(Invalid, match="greater than or equal to 50"):
        resolve_disk(from_image(WINDOWS), SHARED, store())


@pytest.mark.parametrize("ordered", [from_image("none"), from_image(source_id=None), wordpress(source_id="none")])
def test_what_is_not_there_is_not_found(ordered: NewVolume) -> None:
    with pytest.raises(NotFound, match="could not be found"):
        resolve_disk(ordered, FLAVOR, store())


@pytest.mark.parametrize("ordered", [from_snapshot(), existing()])
def test_what_is_not_in_the_place_is_not_found(ordered: NewVolume) -> None:
    with pytest.raises(NotFound, match=r"(Snapshot s-1|Volume v-1) could not be found"):
        resolve_disk(ordered, FLAVOR, found())


def test_an_app_template_of_another_region_is_not_found() -> None:
    with pytest.raises(NotFound, match="Image"):
        resolve_disk(wordpress(), FLAVOR, found(region_id=2))


def test_a_type_that_the_region_does_not_offer_is_refused() -> None:
    with pytest.raises(Invalid, match="no volume type standard in this region"):
        resolve_disk(blank(), FLAVOR, found(volume_types={}))


@pytest.mark.parametrize("status", ["creating", "in-use", "reserved", "attaching", "detaching", "deleting", "error"])
def test_only_an_available_volume_can_be_taken(status: str) -> None:
    with pytest.raises(Conflict, match=f"Volume v-1 is {status}"):
        resolve_disk(existing(), FLAVOR, store({"status": status}))


def test_a_volume_that_a_task_holds_cannot_be_taken() -> None:
    with pytest.raises(Conflict, match=f"Volume v-1 is locked by task {TASK}"):
        resolve_disk(existing(), FLAVOR, store({"task_id": TASK}))


def test_what_is_still_being_made_cannot_be_a_source() -> None:
    images = {UBUNTU: replace(public_images()[UBUNTU], status="queued")}

    with pytest.raises(Conflict, match=r"Image .* is queued"):
        resolve_disk(from_image(), FLAVOR, found(images=images))
    with pytest.raises(Conflict, match="Snapshot s-1 is creating"):
        resolve_disk(from_snapshot(), FLAVOR, store(snapshot={"status": "creating"}))


def test_a_snapshot_of_a_data_disk_does_not_boot() -> None:
    assert not resolve_disk(from_snapshot(), FLAVOR, store({"bootable": False, "image_id": None})).bootable


def indexes(*ordered: NewVolume) -> list[tuple[str | None, int]]:
    """Each volume's name and boot index, in the order of devices."""
    return [(disk.requested.name, disk.boot_index) for disk in settled(*ordered)]


def settled(*ordered: NewVolume) -> list[ResolvedDisk]:
    return with_boot_order([resolve_disk(volume, FLAVOR, store()) for volume in ordered])


A, B, DATA = from_image(name="a"), from_image(name="b"), blank(name="data")


@pytest.mark.parametrize(
    ("ordered", "told"),
    [
        ([A], [("a", 0)]),
        ([A, B], [("a", 0), ("b", -1)]),
        ([DATA, A], [("a", 0), ("data", -1)]),
        ([DATA], [("data", -1)]),
        ([A, from_image(name="b", boot_index=0)], [("b", 0), ("a", -1)]),
        ([from_image(name="a", boot_index=1), from_image(name="b", boot_index=0)], [("b", 0), ("a", 1)]),
        ([from_image(name="a", boot_index=-1), B], [("b", 0), ("a", -1)]),
        ([from_image(name="a", boot_index=-1)], [("a", -1)]),
        ([from_image(name="a", boot_index=-5), from_image(name="b", boot_index=-5)], [("a", -1), ("b", -1)]),
        ([from_image(name="a", boot_index=2), B], [("b", 0), ("a", 2)]),
    ],
)
def test_the_boot_disk_comes_first(ordered: list[NewVolume], told: list[tuple[str | None, int]]) -> None:
    assert indexes(*ordered) == told


@pytest.mark.parametrize(
    ("ordered", "boots"),
    [
        ([A, DATA], "a"),
        ([from_image(name="a", boot_index=2), from_image(name="b", boot_index=1)], "b"),
        ([DATA], None),
        ([from_image(name="a", boot_index=-1)], None),
    ],
)
def test_the_server_boots_from_the_lowest_index(ordered: list[NewVolume], boots: str | None) -> None:
    disk = boot_disk(settled(*ordered))

    assert (disk.requested.name if disk else None) == boots


@pytest.mark.parametrize(
    ("ordered", "field"),
    [
        ([from_image(boot_index=0), from_image(boot_index=0)], "boot_index"),
        ([A, from_image(boot_index=1), from_image(boot_index=1)], "boot_index"),
        ([blank(boot_index=0)], "boot_index"),
        ([A, blank(boot_index=1)], "boot_index"),
        ([from_image(attachment_tag="x"), blank(attachment_tag="x")], "attachment_tag"),
        ([A, existing(), existing()], "volume_id"),
    ],
)
def test_what_must_be_unique_or_bootable_is_held_to_it(ordered: list[NewVolume], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        settled(*ordered)

    assert list(refused.value.fields) == [field]


def test_the_images_behind_volumes_and_templates_are_named() -> None:
    templates = the_catalogue().app_templates
    volumes = [a_volume(image_id="i-9"), a_volume(image_id=None)]

    assert source_image_ids(volumes, templates, 1) == ["i-9", UBUNTU, image_id(1, "ubuntu-24.04-x64")]
