"""What every driver does, whatever is behind it: each verb names an end state, and saying it twice does no harm.

A driver takes part by a line in `conformance.py`. What it has no ability for is passed over.
"""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pileus.domain.compute.instances import Boot, Status
from pileus.drivers.protocols import compute as protocols
from pileus.drivers.protocols.compute import (
    Compute,
    Consoles,
    Disk,
    DriverError,
    Extends,
    Hosts,
    Interfaces,
    Machine,
    Migrates,
    Nic,
    Protects,
    Retypes,
    Simulates,
    Snapshots,
    Volumes,
)
from pileus.drivers.protocols.images import Images, ImageSource
from pileus.drivers.protocols.metrics import Metrics
from tests.drivers.conformance import Kind, Made, able, twice
from tests.image_server import CHECKSUM, RAW, image_url

SECRET = "a-password-nobody-may-find"
HOUR = 3_600_000_000


def a_machine(**changes: Any) -> Machine:
    facts = {"id": str(uuid.uuid4()), "name": "web", "flavor_id": "g1-standard-1-2", "vcpus": 1, "ram": 2048}
    return Machine(**{**facts, "boot": Boot(password=SECRET), **changes})


def a_disk(**changes: Any) -> Disk:
    return Disk(**{"id": str(uuid.uuid4()), "size": 5, "type_name": "standard", "device": "/dev/vdb", **changes})


async def a_system(driver: Compute, kind: Kind) -> Machine:
    """A machine that runs, with a system that answers where the driver's machines are real."""
    if kind.image_id is None:
        machine = a_machine()
    else:
        disk = a_disk(size=1, image_id=kind.image_id, boot_index=0)
        await able(driver, Volumes).ensure_volume(disk)
        machine = a_machine(ram=256, disks=[disk])
    await driver.ensure_running(machine)
    return machine


async def seen(driver: Compute) -> dict[str, str]:
    return {machine.machine_id: machine.status async for machine in driver.observe()}


async def bring(driver: Compute, machine: Machine, status: str) -> None:
    await driver.ensure_running(machine)
    if status == Status.SHUTOFF:
        await driver.ensure_stopped(machine.id)
    elif status == Status.SUSPENDED:
        await driver.ensure_suspended(machine.id)


STANDING = [Status.ACTIVE, Status.SHUTOFF, Status.SUSPENDED]


@pytest.mark.parametrize("before", STANDING)
async def test_a_machine_comes_to_each_state_from_each_other(driver: Compute, before: str) -> None:
    for verb, after in (("running", "ACTIVE"), ("stopped", "SHUTOFF"), ("suspended", "SUSPENDED")):
        machine = a_machine()
        await bring(driver, machine, before)

        await twice(getattr(driver, f"ensure_{verb}"), machine if verb == "running" else machine.id)

        assert (await seen(driver))[machine.id] == after


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("before", [Status.ACTIVE, Status.SHUTOFF])
async def test_a_machine_runs_after_a_restart(driver: Compute, before: str, hard: bool) -> None:  # noqa: FBT001
    machine = a_machine()
    await bring(driver, machine, before)

    await twice(driver.ensure_restarted, machine, "request-1", hard=hard)

    assert (await seen(driver))[machine.id] == "ACTIVE"


async def test_a_restart_is_done_once_for_a_request(driver: Compute) -> None:
    """What has stopped since is not started by the same request said again."""
    machine = a_machine()
    await driver.ensure_running(machine)
    await driver.ensure_restarted(machine, "request-1", hard=True)
    await driver.ensure_stopped(machine.id)

    await driver.ensure_restarted(machine, "request-1", hard=True)
    assert (await seen(driver))[machine.id] == "SHUTOFF"

    await driver.ensure_restarted(machine, "request-2", hard=True)
    assert (await seen(driver))[machine.id] == "ACTIVE"


@pytest.mark.parametrize("before", STANDING[:2])
async def test_another_size_leaves_a_machine_as_it_stands(driver: Compute, before: str) -> None:
    machine = a_machine()
    await bring(driver, machine, before)

    await twice(driver.ensure_sized, replace(machine, flavor_id="g1-standard-2-4", vcpus=2, ram=4096))

    assert (await seen(driver))[machine.id] == before


async def test_nothing_is_left_of_a_machine_that_is_gone(driver: Compute) -> None:
    machine = a_machine()
    await driver.ensure_running(machine)

    await twice(driver.ensure_gone, machine.id)

    assert machine.id not in await seen(driver)


@pytest.mark.parametrize("verb", ["ensure_stopped", "ensure_suspended"])
async def test_what_is_not_there_cannot_be_brought_to_a_state(driver: Compute, verb: str) -> None:
    with pytest.raises(DriverError) as refused:
        await getattr(driver, verb)("nobody")

    assert not refused.value.retryable


async def test_many_machines_at_once_stay_apart(driver: Compute) -> None:
    machines = [a_machine(name=f"web-{number}") for number in range(20)]

    await asyncio.gather(*map(driver.ensure_running, machines))
    await asyncio.gather(*(driver.ensure_stopped(machine.id) for machine in machines[::2]))

    found = await seen(driver)
    assert {found[machine.id] for machine in machines[::2]} == {"SHUTOFF"}
    assert {found[machine.id] for machine in machines[1::2]} == {"ACTIVE"}


async def test_machines_outlive_the_control_plane(made: Made, home: Path) -> None:
    machine, disk = a_machine(), a_disk()
    driver = made()
    await driver.ensure_running(machine)
    if isinstance(driver, Volumes):
        await driver.ensure_volume(disk)
        await driver.ensure_attached(machine.id, disk)

    again = made()

    assert await seen(again) == {machine.id: "ACTIVE"}
    await twice(again.ensure_stopped, machine.id)
    assert await seen(driver) == {machine.id: "SHUTOFF"}
    assert not any(SECRET.encode() in content for content in _files(home))


def _files(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file() and not file.is_symlink()]


async def test_volumes_come_hang_and_go(driver: Compute, kind: Kind) -> None:
    keeper, machine, disk = able(driver, Volumes), await a_system(driver, kind), a_disk()

    await twice(keeper.ensure_volume, disk)
    await twice(keeper.ensure_attached, machine.id, disk)
    await twice(keeper.ensure_detached, machine.id, disk.id)
    await twice(keeper.ensure_no_volume, disk.id)

    with pytest.raises(DriverError):
        await keeper.ensure_attached(machine.id, disk)


async def test_a_volume_hangs_on_one_machine_at_a_time(driver: Compute) -> None:
    keeper, one, other, disk = able(driver, Volumes), a_machine(), a_machine(), a_disk()
    await driver.ensure_running(one)
    await driver.ensure_running(other)
    await keeper.ensure_volume(disk)
    await keeper.ensure_attached(one.id, disk)

    with pytest.raises(DriverError) as refused:
        await keeper.ensure_attached(other.id, disk)
    assert not refused.value.retryable

    await keeper.ensure_detached(other.id, disk.id)
    with pytest.raises(DriverError):
        await keeper.ensure_attached(other.id, disk)
    await driver.ensure_gone(one.id)
    await keeper.ensure_attached(other.id, disk)


async def test_a_volume_grows_shrinks_back_and_changes_its_type(driver: Compute) -> None:
    keeper, disk = able(driver, Volumes), a_disk()
    await keeper.ensure_volume(disk)

    await twice(able(driver, Extends).ensure_size, disk.id, 9)
    await twice(able(driver, Extends).ensure_size, disk.id, 5)
    await twice(able(driver, Retypes).ensure_type, disk.id, "ssd_hiiops")

    for verb in (able(driver, Extends).ensure_size("nobody", 9), able(driver, Retypes).ensure_type("nobody", "cold")):
        with pytest.raises(DriverError):
            await verb


async def test_snapshots_are_taken_reverted_to_and_destroyed(driver: Compute) -> None:
    keeper, taker, disk = able(driver, Volumes), able(driver, Snapshots), a_disk()
    await keeper.ensure_volume(disk)

    await twice(taker.ensure_snapshot, "snapshot-1", disk.id)
    await twice(taker.ensure_reverted, disk.id, "snapshot-1", "request-1")
    await twice(taker.ensure_no_snapshot, "snapshot-1")

    await taker.ensure_reverted(disk.id, "snapshot-1", "request-1")
    for verb in (
        taker.ensure_reverted(disk.id, "snapshot-1", "request-2"),
        taker.ensure_snapshot("snapshot-2", "nobody"),
    ):
        with pytest.raises(DriverError):
            await verb


async def test_images_are_kept_of_volumes_and_of_what_an_address_leads_to(driver: Compute) -> None:
    keeper, gallery, disk = able(driver, Volumes), able(driver, Images), a_disk()
    await keeper.ensure_volume(disk)
    told: list[int] = []

    async def fetched(size: int, _: int | None) -> None:
        told.append(size)

    for source in (ImageSource(volume_id=disk.id), ImageSource(url=image_url())):
        first = await gallery.ensure_image("image-1", source, fetched)
        assert await gallery.ensure_image("image-1", source, fetched) == first
        await twice(gallery.ensure_no_image, "image-1")
    assert (first.size, first.disk_format, first.checksum, told[-1]) == (len(RAW), "raw", CHECKSUM, len(RAW))
    for source in (ImageSource(volume_id="nobody"), ImageSource(url=image_url("missing"))):
        with pytest.raises(DriverError):
            await gallery.ensure_image("image-2", source, fetched)


async def test_interfaces_are_plugged_in_and_pulled_out(driver: Compute, kind: Kind) -> None:
    plugger, machine = able(driver, Interfaces), await a_system(driver, kind)
    nic = Nic(port_id=str(uuid.uuid4()), network_id="n-1", mac_address="00:16:3e:00:00:01", addresses=["10.0.0.5"])

    await twice(plugger.ensure_interface, machine.id, nic)
    await twice(plugger.ensure_no_interface, machine.id, nic.port_id)
    await twice(plugger.ensure_interface, machine.id, nic)
    await driver.ensure_gone(machine.id)
    await twice(plugger.ensure_no_interface, machine.id, nic.port_id)


async def test_hosts_are_named_once_and_the_same_whenever_asked(driver: Compute) -> None:
    placer = able(driver, Hosts)

    hosts = list(await placer.hosts(1))

    assert hosts
    assert len(set(hosts)) == len(hosts)
    assert list(await placer.hosts(1)) == hosts


@pytest.mark.parametrize("before", STANDING[:2])
async def test_a_machine_that_moves_stands_as_before(driver: Compute, before: str) -> None:
    mover, machine = able(driver, Migrates), a_machine()
    one, other = list(await able(driver, Hosts).hosts(1))[:2]
    await bring(driver, replace(machine, host=one), before)

    await twice(mover.ensure_on_host, replace(machine, host=other))

    assert (await seen(driver))[machine.id] == before


async def test_a_machine_that_runs_shows_its_screen(driver: Compute) -> None:
    screens, machine = able(driver, Consoles), a_machine()
    await driver.ensure_running(machine)

    console = await screens.console(machine.id, None)

    assert console.url.startswith(("http", "ws"))
    assert (await screens.console(machine.id, console.type)).protocol == console.protocol
    with pytest.raises(DriverError):
        await screens.console(machine.id, "a-crystal-ball")
    await driver.ensure_stopped(machine.id)
    with pytest.raises(DriverError):
        await screens.console(machine.id, None)


@pytest.mark.parametrize("count", [1, 7, 60])
async def test_how_busy_a_machine_was_is_told_within_the_time_asked_for(driver: Compute, count: int) -> None:
    watcher, machine = able(driver, Metrics), a_machine()
    await driver.ensure_running(machine)

    samples = await watcher.metrics(machine.id, 10 * HOUR, 11 * HOUR, count)

    times = [sample.time for sample in samples]
    assert times == sorted(times)
    assert len(times) <= count
    assert all(10 * HOUR <= time <= 11 * HOUR for time in times)
    assert all(0 <= sample.cpu_util <= 100 and 0 <= sample.memory_util <= 100 for sample in samples)


async def test_an_address_is_protected_more_or_less_or_not(driver: Compute) -> None:
    guard = able(driver, Protects)

    await twice(guard.ensure_protected, 1, "203.0.113.7", active=True)
    await twice(guard.ensure_protected, 1, "203.0.113.7", active=False)
    await twice(guard.ensure_unprotected, 1, "203.0.113.7")


@pytest.mark.parametrize("status", list(Status))
async def test_a_driver_that_plays_shows_any_state(driver: Compute, status: Status) -> None:
    player, machine = able(driver, Simulates), a_machine()
    await driver.ensure_running(machine)

    player.set_state(machine.id, status.value, "rescued")

    (found,) = [each async for each in driver.observe()]
    assert (found.status, found.vm_state) == (status, "rescued")
    await driver.ensure_stopped(machine.id)
    await driver.ensure_running(machine)
    assert (await seen(driver))[machine.id] == "ACTIVE"


def test_no_protocol_asks_for_more_than_eight_verbs() -> None:
    for name, protocol in vars(protocols).items():
        if getattr(protocol, "_is_protocol", False) and name != "Protocol":
            assert len([verb for verb in vars(protocol) if not verb.startswith("_")]) <= 8, name
