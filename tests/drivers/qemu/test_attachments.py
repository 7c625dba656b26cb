"""Test attachments that fail: nothing of them stays, and a start has what the control plane names."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.guests import MachineMetadata
from pileus.drivers.protocols.network import NicSpec
from pileus.drivers.qemu import monitor, programs
from pileus.drivers.qemu.arguments import SLOTS
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.machine_records import STOPPED, MachineRecord
from pileus.drivers.qemu.settings import QemuSettings
from pileus.drivers.qemu.storage_records import StorageRecords
from tests.drivers.qemu.conftest import a_disk, a_machine, a_nic, a_system, status_of
from tests.drivers.qemu.drivers import CATALOGUE

ALL_SLOTS_IN_USE = f"all {SLOTS} slots in use"


def many_nics(count: int) -> list[NicSpec]:
    """Return interfaces with different addresses."""
    return [a_nic(mac_address=f"fa:16:3e:00:00:{n:02x}", addresses=[f"198.18.0.{50 + n}"]) for n in range(count)]


def device_counts(qemu: Qemu, machine_id: str) -> tuple[int, int]:
    """Return how many disks and interfaces the process of a machine was started with."""
    command = Path(f"/proc/{qemu.records.get(machine_id).pid}/cmdline").read_bytes()
    return command.count(b'"virtio-blk-pci"'), command.count(b'"virtio-net-pci"')


async def restart(qemu: Qemu, machine: MachineSpec) -> None:
    await qemu.ensure_stopped_machine(machine.id)
    await qemu.ensure_running_machine(machine)


async def check_refused(qemu: Qemu, machine: MachineSpec) -> None:
    """Check that a machine gets neither a volume nor an interface, and that nothing remains of the attempts."""
    disk, nic = a_disk(), a_nic()
    await qemu.ensure_volume(disk)

    for _ in range(2):
        with pytest.raises(DriverError, match=ALL_SLOTS_IN_USE) as refused:
            await qemu.ensure_volume_attachment(machine.id, disk)
        assert not refused.value.retryable
        with pytest.raises(DriverError, match=ALL_SLOTS_IN_USE):
            await qemu.ensure_interface(machine.id, nic)
        await qemu.ensure_no_volume_attachment(machine.id, disk.id)
        await qemu.ensure_no_interface(machine.id, nic.port_id)

    assert machine_id_of(qemu, disk.id) is None
    assert nic not in qemu.state.machine_nics(machine.id)
    await qemu.ensure_no_volume(disk.id)


def machine_id_of(qemu: Qemu, volume_id: str) -> str | None:
    """Return the machine that a volume is attached to."""
    return StorageRecords(qemu.state).get_volume(volume_id).machine_id


def without_last_nics(machine: MachineSpec, count: int) -> tuple[MachineSpec, Sequence[NicSpec]]:
    """Return a machine without its last interfaces, and these."""
    return replace(machine, nics=machine.nics[:-count]), machine.nics[-count:]


async def test_a_full_machine_refuses_another_device_and_starts_again(qemu: Qemu) -> None:
    machine = await a_system(qemu, nics=many_nics(SLOTS - 1))
    fewer, detached_nics = without_last_nics(machine, 4)

    await check_refused(qemu, machine)
    for nic in detached_nics:
        await qemu.ensure_no_interface(machine.id, nic.port_id)
    await restart(qemu, fewer)
    assert device_counts(qemu, machine.id) == (1, SLOTS - 5)

    for nic in detached_nics:
        await qemu.ensure_interface(machine.id, nic)
    await check_refused(qemu, machine)
    await restart(qemu, machine)
    assert device_counts(qemu, machine.id) == (1, SLOTS - 1)


async def test_a_stopped_machine_refuses_what_does_not_fit(qemu: Qemu) -> None:
    disk = a_disk()
    await qemu.ensure_volume(disk)
    machine = a_machine(disks=[disk])
    await qemu.ensure_running_machine(machine)
    await qemu.ensure_stopped_machine(machine.id)
    nics = many_nics(SLOTS - 1)
    for nic in nics:
        await qemu.ensure_interface(machine.id, nic)

    await check_refused(qemu, machine)
    await qemu.ensure_running_machine(replace(machine, nics=nics))

    assert device_counts(qemu, machine.id) == (1, SLOTS - 1)


async def test_a_machine_that_names_too_many_devices_is_refused_and_keeps_running(qemu: Qemu) -> None:
    machine = a_machine()
    await qemu.ensure_running_machine(machine)
    pid = qemu.records.get(machine.id).pid
    too_large = replace(machine, nics=many_nics(SLOTS + 1), flavor_id="larger")

    for attempt in (
        qemu.ensure_machine_size(too_large),
        qemu.ensure_restarted_machine(too_large, "request-1", hard=True),
        qemu.ensure_running_machine(replace(too_large, id=a_machine().id)),
    ):
        with pytest.raises(DriverError, match=f"has {SLOTS + 1} disks and interfaces, but only {SLOTS} slots"):
            await attempt

    assert qemu.records.get(machine.id).pid == pid
    assert list(qemu.records.by_id()) == [machine.id]
    assert qemu.state.machine_nics(machine.id) == []


async def test_devices_beyond_the_slots_can_be_detached(qemu: Qemu) -> None:
    """A machine may have them by an earlier version."""
    machine, nics = a_machine(), many_nics(SLOTS + 5)
    await qemu.ensure_running_machine(machine)
    await qemu.ensure_stopped_machine(machine.id)
    for nic in nics:
        qemu.state.save_nic(machine.id, nic)

    with pytest.raises(DriverError, match="only 20 slots"):
        await qemu.ensure_running_machine(replace(machine, nics=nics))
    for nic in reversed(nics[1:]):
        await qemu.ensure_no_interface(machine.id, nic.port_id)
    await qemu.ensure_running_machine(replace(machine, nics=nics[:1]))

    assert device_counts(qemu, machine.id) == (0, 1)


async def test_a_start_has_only_what_the_machine_names(qemu: Qemu) -> None:
    disk, leftover = a_disk(), a_disk()
    for volume in (disk, leftover):
        await qemu.ensure_volume(volume)
    machine, other, nic = a_machine(disks=[disk]), a_machine(), a_nic()
    await qemu.ensure_running_machine(machine)
    await qemu.ensure_running_machine(other)
    await qemu.ensure_stopped_machine(machine.id)
    StorageRecords(qemu.state).attach_volume(machine.id, leftover)
    qemu.state.save_nic(machine.id, nic)

    await qemu.ensure_running_machine(machine)

    assert device_counts(qemu, machine.id) == (1, 0)
    await qemu.ensure_volume_attachment(other.id, leftover)
    assert machine_id_of(qemu, leftover.id) == other.id


async def test_a_volume_that_qemu_refuses_stays_detached(qemu: Qemu) -> None:
    machine, disk = a_machine(), a_disk()
    await qemu.ensure_running_machine(machine)
    await qemu.ensure_volume(disk)
    path = qemu.directory.volume_file(disk.id)
    content = path.read_bytes()
    path.write_bytes(b"no qcow2")

    with pytest.raises(DriverError, match="qcow2"):
        await qemu.ensure_volume_attachment(machine.id, disk)

    assert machine_id_of(qemu, disk.id) is None
    assert qemu.state.db.execute("SELECT count(*) FROM slots").fetchone() == (0,)
    path.write_bytes(content)
    await qemu.ensure_volume_attachment(machine.id, disk)
    assert machine_id_of(qemu, disk.id) == machine.id


async def test_an_interface_of_another_machine_is_not_detached(qemu: Qemu) -> None:
    machine, other, nic = a_machine(), a_machine(), a_nic()
    await qemu.ensure_running_machine(replace(machine, nics=[nic]))
    await qemu.ensure_running_machine(other)

    await qemu.ensure_no_interface(other.id, nic.port_id)

    assert qemu.state.machine_nics(machine.id) == [nic]


async def test_a_failed_resize_is_undone_to_a_running_machine(qemu: Qemu) -> None:
    disk = a_disk()
    await qemu.ensure_volume(disk)
    machine = a_machine(disks=[disk])
    await qemu.ensure_running_machine(machine)
    path = qemu.directory.volume_file(disk.id)
    path.rename(path.with_suffix(".away"))
    larger = replace(machine, flavor_id="larger", ram=512)

    for _ in range(2):
        with pytest.raises(DriverError, match="could not be started"):
            await qemu.ensure_machine_size(larger)
    path.with_suffix(".away").rename(path)
    await qemu.ensure_machine_size(machine)

    assert await status_of(qemu, machine.id) == "ACTIVE"
    assert qemu.records.get(machine.id).machine.ram == machine.ram


async def test_an_attachment_that_gets_no_answer_is_repeated_or_undone(
    qemu: Qemu, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine, disk, nic = a_machine(), a_disk(), a_nic()
    await qemu.ensure_running_machine(machine)
    await qemu.ensure_volume(disk)
    pid = qemu.records.get(machine.id).pid or 0
    os.kill(pid, signal.SIGSTOP)

    with monkeypatch.context() as patch:
        patch.setattr(monitor, "ANSWER_TIMEOUT", 0.5)
        for attempt in (qemu.ensure_volume_attachment(machine.id, disk), qemu.ensure_interface(machine.id, nic)):
            with pytest.raises(DriverError, match="does not answer") as failed:
                await attempt
            assert failed.value.retryable

    os.kill(pid, signal.SIGCONT)
    await qemu.ensure_volume_attachment(machine.id, disk)
    assert machine_id_of(qemu, disk.id) == machine.id
    await qemu.ensure_no_interface(machine.id, nic.port_id)
    assert nic not in qemu.state.machine_nics(machine.id)
    assert qemu.state.db.execute("SELECT count(*) FROM slots").fetchone() == (1,)


async def test_metadata_that_cannot_be_served_are_not_recorded(data: Path) -> None:
    """The reconciler sends them again as long as the record differs."""
    driver = Qemu(data, programs.find_programs("tcg"), CATALOGUE, settings=QemuSettings(bridges="pub_net=br77"))
    machine = a_machine(tags={"a": "b"})
    driver.records.save(MachineRecord(machine=machine, intent=STOPPED))

    with pytest.raises(DriverError, match="no bridge br77"):
        await driver.ensure_machine_metadata(machine.id, MachineMetadata(name="other", tags={}))

    assert await driver.list_descriptions() == {machine.id: MachineMetadata(name=machine.name, tags={"a": "b"})}
    driver.close()
