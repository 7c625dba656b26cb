"""Test parts of the driver alone, without QEMU: records in the state file, capacity and metrics."""

import asyncio
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from pileus.domain.compute.instances import FirstBootData
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.images import StoredImage
from pileus.drivers.protocols.network import SecurityGroupSpec
from pileus.drivers.qemu.arguments import SLOTS
from pileus.drivers.qemu.child_processes import ChildProcesses
from pileus.drivers.qemu.host import HostCapacity, measure_disk_space
from pileus.drivers.qemu.machine_control import MachineControl
from pileus.drivers.qemu.machine_records import RUNNING, STOPPED, DeviceSlots, MachineRecord, MachineRecords
from pileus.drivers.qemu.metrics import CounterReading, sample_between
from pileus.drivers.qemu.paths import DataDirectory
from pileus.drivers.qemu.settings import QemuSettings
from pileus.drivers.qemu.state import QemuStateFile
from pileus.drivers.qemu.storage_records import StorageRecords
from pileus.drivers.qemu.users import HostUsers
from tests.drivers.qemu.conftest import a_disk, a_machine, a_nic


class AppliedNetwork:
    """Counts how often the network is applied, and fails if it is told so."""

    def __init__(self) -> None:
        self.count = 0
        self.failure: BaseException | None = None

    async def apply(self) -> None:
        """Count."""
        if self.failure:
            raise self.failure
        self.count += 1


@pytest.fixture
def network() -> AppliedNetwork:
    """A network that counts its changes."""
    return AppliedNetwork()


@pytest.fixture
def state(tmp_path: Path, network: AppliedNetwork) -> Iterator[QemuStateFile]:
    """A new state file."""
    new = QemuStateFile(tmp_path / "facts.db", network.apply)
    yield new
    new.close()


async def test_a_changed_interface_applies_the_network_and_an_unchanged_one_does_not(
    state: QemuStateFile, network: AppliedNetwork
) -> None:
    nic = a_nic()
    await state.ensure_interface("m-1", nic)
    await state.ensure_interface("m-1", nic)
    await state.ensure_interface("m-1", replace(nic, secured=False))

    assert network.count == 2
    assert state.machine_nics("m-1") == [replace(nic, secured=False)]


def list_groups(state: QemuStateFile) -> list[SecurityGroupSpec]:
    rows = state.db.execute("SELECT facts FROM security_groups").fetchall()
    return [msgspec.json.decode(facts, type=SecurityGroupSpec) for (facts,) in rows]


@pytest.mark.parametrize(
    "failure",
    [
        DriverError("No fabric", retryable=True),
        OSError("No process can be started"),
        sqlite3.OperationalError("database is locked"),
        asyncio.CancelledError(),
    ],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_change_of_the_network_that_fails_is_not_recorded(
    state: QemuStateFile, network: AppliedNetwork, failure: BaseException
) -> None:
    nic, group = a_nic(), SecurityGroupSpec(id="g-1", name="before")
    await state.ensure_security_group(group)
    network.failure = failure
    for attempt in (state.ensure_security_group(replace(group, name="after")), state.ensure_interface("m-1", nic)):
        with pytest.raises(type(failure)):
            await attempt

    assert list_groups(state) == [group]
    assert state.machine_nics("m-1") == []

    network.failure = None
    await state.ensure_security_group(replace(group, name="after"))
    assert (network.count, list_groups(state)) == (2, [replace(group, name="after")])


async def test_a_failed_change_of_the_network_takes_back_no_later_one(tmp_path: Path) -> None:
    failed, later = SecurityGroupSpec(id="g-1", name="failed"), SecurityGroupSpec(id="g-1", name="later")

    async def apply() -> None:
        if list_groups(file) == [failed]:
            await file.ensure_security_group(later)
            raise OSError("No process can be started")

    with closing(QemuStateFile(tmp_path / "facts.db", apply)) as file:
        with pytest.raises(OSError, match="No process"):
            await file.ensure_security_group(failed)

        assert list_groups(file) == [later]


async def test_an_interface_moves_to_another_machine(state: QemuStateFile, network: AppliedNetwork) -> None:
    nic = a_nic()
    await state.ensure_interface("m-1", nic)
    await state.ensure_interface("m-2", nic)

    assert (network.count, state.machine_nics("m-1"), state.machine_nics("m-2")) == (2, [], [nic])


def test_a_later_read_of_the_network_has_a_higher_revision(state: QemuStateFile) -> None:
    with state.read_network_revision() as first:
        pass
    with state.read_network_revision() as second:
        pass

    assert second > first


def test_a_device_keeps_its_slot_until_it_is_freed(state: QemuStateFile) -> None:
    slots = DeviceSlots(state)

    assert [slots.assign("m-1", f"d-{number}") for number in range(3)] == [1, 2, 3]
    assert slots.assign("m-1", "d-1") == 2
    assert slots.assign("m-2", "d-9") == 1
    slots.free("m-1", "d-1")
    assert slots.assign("m-1", "d-3") == 2


def test_a_machine_has_a_limited_number_of_slots(state: QemuStateFile) -> None:
    slots = DeviceSlots(state)
    for number in range(SLOTS):
        slots.assign("m-1", f"d-{number}")

    with pytest.raises(DriverError, match=f"all {SLOTS} slots in use"):
        slots.assign("m-1", "one-more")


def test_a_record_is_stored_without_the_password(state: QemuStateFile) -> None:
    records, machine = MachineRecords(state), a_machine(boot=FirstBootData(password="secret", username="me"))

    records.save(MachineRecord(machine=machine, intent=RUNNING))

    assert records.get(machine.id).machine == replace(machine, boot=FirstBootData(username="me"))
    records.delete(machine.id)
    assert records.find(machine.id) is None


@pytest.mark.parametrize(("intent", "fits"), [(RUNNING, False), (STOPPED, True)])
def test_stopped_machines_use_no_capacity(state: QemuStateFile, intent: str, fits: bool) -> None:  # noqa: FBT001  # a test parameter
    records = MachineRecords(state)
    capacity = HostCapacity(QemuSettings(cpu_ratio=1000), records)
    ram = capacity.total_capacity().ram // 2 + 1
    records.save(MachineRecord(machine=a_machine(ram=ram), intent=intent))

    if fits:
        capacity.check_machine_fits(a_machine(ram=ram))
    else:
        with pytest.raises(DriverError, match="no capacity left"):
            capacity.check_machine_fits(a_machine(ram=ram))


def test_the_disk_space_is_that_of_the_file_system(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)

    space = measure_disk_space(tmp_path)

    assert space.total == status.f_blocks * status.f_frsize
    assert 0 < space.free <= space.total


def test_a_base_is_unused_when_its_image_volumes_and_snapshots_are_gone(state: QemuStateFile) -> None:
    records, disk = StorageRecords(state), a_disk()
    records.add_image("base", StoredImage(size=1, virtual_size=1, disk_format="qcow2"))
    records.add_volume(disk, "base")
    records.add_snapshot("s-1", disk.id, "base")
    records.delete_image("base")
    records.mark_base_for_removal("base")

    assert records.removable_bases() == []
    records.delete_volume(disk.id)
    assert records.removable_bases() == []
    records.delete_snapshot("s-1")
    assert records.removable_bases() == ["base"]


def test_a_volume_is_attached_to_one_machine_at_a_time(state: QemuStateFile) -> None:
    records, disk, boot_disk = StorageRecords(state), a_disk(), a_disk(boot_index=0)
    for volume in (disk, boot_disk):
        records.add_volume(volume, None)
        records.attach_volume("m-1", volume)

    assert records.volume_ids_and_boot_indexes("m-1") == [(boot_disk.id, 0), (disk.id, -1)]
    with pytest.raises(DriverError, match="attached to another machine"):
        records.attach_volume("m-2", disk)
    records.detach_volumes("m-1")
    records.attach_volume("m-2", disk)
    assert records.get_volume(disk.id).machine_id == "m-2"


async def test_a_machine_is_locked_in_all_processes(state: QemuStateFile, tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path, HostUsers(QemuSettings(user="root")))
    directory.create_directories()
    control, other = (MachineControl(directory, MachineRecords(state), ChildProcesses()) for _ in range(2))

    async with control.lock("m-1"):
        assert other.is_locked("m-1")
        assert not other.is_locked("m-2")
    assert not other.is_locked("m-1")


def test_a_sample_has_the_rates_between_two_readings() -> None:
    before = CounterReading(time=0, cpu=1.0, memory=10.0, network=(0, 100, 5, 0), disks={})
    after = CounterReading(time=2_000_000, cpu=2.0, memory=20.0, network=(200, 0, 15, 2), disks={"vda": (4, 6, 2, 0)})

    sample = sample_between(before, after, vcpus=2)

    assert (sample.cpu_util, sample.memory_util) == (25.0, 20.0)
    assert (sample.network_bytes_in, sample.network_bytes_out) == (100.0, 0.0)
    assert (sample.network_packets_in, sample.network_packets_out) == (5.0, 1.0)
    assert sample.disks == {"vda": (2.0, 3.0, 1.0, 0.0)}
