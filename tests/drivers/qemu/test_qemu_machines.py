"""Test machines as processes: isolation, failures, supervision and capacity."""

import asyncio
import os
import pwd
import signal
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from pileus.domain.network.security_rules import NewRule
from pileus.drivers.cloud_init import valid_host_name
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.guests import MachineMetadata
from pileus.drivers.protocols.network import SecurityGroupSpec
from pileus.drivers.qemu import programs
from pileus.drivers.qemu.arguments import VNC
from pileus.drivers.qemu.cgroups import ensure_parent_cgroup
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.fabric_updates import FABRIC
from pileus.drivers.qemu.log_files import LOG_LIMIT, former_machine_logs, serial_log, truncate_log
from pileus.drivers.qemu.monitor import COMMANDS, MonitorUnavailable, open_monitor
from pileus.drivers.qemu.settings import QemuSettings
from pileus.tasks.cancellation import cancel_and_wait
from tests.drivers.qemu.conftest import a_disk, a_machine, a_nic, a_system, status_of, until
from tests.drivers.qemu.drivers import CATALOGUE, create_qemu, end_all_processes

NOBODY = pwd.getpwnam("nobody")
PASSWORD = "a-password-nobody-may-find"


def process_of(qemu: Qemu, machine_id: str) -> Path:
    """Return the /proc directory of a machine's process."""
    return Path(f"/proc/{qemu.records.get(machine_id).pid}")


def kill(qemu: Qemu, machine_id: str) -> None:
    """Kill a machine's process."""
    pid = qemu.records.get(machine_id).pid
    assert pid, "it was never started"
    os.kill(pid, signal.SIGKILL)


async def pause_and_resume(qemu: Qemu, machine_id: str, changed: asyncio.Event) -> bool:
    """Pause and resume a machine. Return whether an event has been reported by then."""
    async with qemu.control.open_monitor(machine_id) as monitor:
        await monitor.execute_command("stop")
        await monitor.execute_command("cont")
    return changed.is_set()


async def test_qemu_runs_unprivileged_and_sandboxed(qemu: Qemu) -> None:
    machine = a_machine(name="; rm -rf / #", nics=[a_nic()])
    await qemu.ensure_running_machine(machine)
    process = process_of(qemu, machine.id)
    command = (process / "cmdline").read_bytes().split(b"\0")

    assert process.stat().st_uid == (NOBODY.pw_uid if os.geteuid() == 0 else os.geteuid())
    assert command[command.index(b"-sandbox") + 1].startswith(b"on,")
    assert not any(b"rm -rf" in word for word in command)
    assert "Seccomp:\t2" in (process / "status").read_text()
    if ensure_parent_cgroup() is not None:
        assert machine.id in (process / "cgroup").read_text()


async def test_symbolic_links_in_a_machines_directory_are_not_followed(qemu: Qemu, tmp_path: Path) -> None:
    """A guest that has escaped from QEMU can write to its machine's directory and must gain nothing by that."""
    machine, secret = a_machine(), tmp_path / "secret"
    await qemu.ensure_running_machine(machine)
    secret.write_bytes(b"s" * (LOG_LIMIT + 1))
    folder = qemu.directory.machine_directory(machine.id)
    (folder / VNC).unlink()
    for file in ("serial.log", "qemu.log", VNC):
        (folder / file).symlink_to(secret)
    serial_log(qemu.directory.folder, machine.id).unlink()
    listener = await asyncio.start_unix_server(lambda _, writer: writer.close(), tmp_path / "ours.sock")
    (folder / VNC).unlink()
    (folder / VNC).symlink_to(tmp_path / "ours.sock")
    console = await qemu.open_console(machine.id, None)

    assert await qemu.read_serial_log_end(machine.id, 100) == b""
    for path in former_machine_logs(qemu.directory.folder, machine.id):
        truncate_log(path)
    with pytest.raises(DriverError, match="shows no screen"):
        await qemu.open_screen_stream(console.url.rpartition("#")[2])
    kill(qemu, machine.id)
    await until(lambda: _is(qemu, machine.id, "ERROR"))
    assert secret.stat().st_size > LOG_LIMIT
    assert secret.stat().st_uid == os.geteuid()
    assert qemu.directory.machines.stat().st_uid == os.geteuid()
    listener.close()


async def test_ids_that_are_no_safe_file_names_are_refused(qemu: Qemu) -> None:
    for wrong in ("../../etc", "a/b", "", ".", "x" * 65):
        with pytest.raises(DriverError, match="no id"):
            await qemu.ensure_volume(a_disk(id=wrong))


@pytest.mark.parametrize(("name", "host"), [("Web 1", "web-1"), ("a_b.c", "a-b-c"), ("...", "machine")])
def test_a_name_is_converted_to_a_valid_host_name(name: str, host: str) -> None:
    assert valid_host_name(name) == host


async def test_a_killed_machine_is_in_error_and_can_be_started(qemu: Qemu) -> None:
    machine = await a_system(qemu)
    kill(qemu, machine.id)

    await until(lambda: _is(qemu, machine.id, "ERROR"))
    (observed,) = [machine_status async for machine_status in qemu.observe()]
    assert observed.reason == "QEMU was ended by SIGKILL"

    await qemu.ensure_running_machine(machine)
    assert await status_of(qemu, machine.id) == "ACTIVE"


async def test_a_monitor_that_disconnects_after_its_greeting_is_unavailable(tmp_path: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            writer.write(b'{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}}}\r\n')
            await reader.readline()
            writer.write(b'{"return": {}}\r\n')

    async def read_state() -> None:
        async with open_monitor(tmp_path) as monitor:
            await monitor.runstate()

    async with await asyncio.start_unix_server(greet, tmp_path / COMMANDS):
        for _ in range(20):
            with pytest.raises(MonitorUnavailable):
                await read_state()


async def test_changes_of_a_machine_are_reported_at_once(qemu: Qemu) -> None:
    machine, changes = await a_system(qemu), asyncio.Event()
    watching = asyncio.create_task(qemu.watch_machines(changes.set))
    try:
        await until(lambda: pause_and_resume(qemu, machine.id, changes))
        changes.clear()
        kill(qemu, machine.id)
        async with asyncio.timeout(30):
            # Events of the pause may be reported late, so the status is checked at each report.
            status = None
            while status != "ERROR":
                await changes.wait()
                changes.clear()
                status = await status_of(qemu, machine.id)
    finally:
        await cancel_and_wait(watching)


async def test_the_network_recovers_with_the_same_port_forwards_after_the_fabric_is_killed(qemu: Qemu) -> None:
    rules = [NewRule(direction="ingress", ethertype="IPv4", protocol="tcp"), NewRule(direction="egress")]
    await qemu.ensure_security_group(SecurityGroupSpec(id="open", name="open", rules=rules))
    machine = await a_system(qemu, nics=[a_nic(groups=["open"])])
    forward = next(forward for forward in await qemu.port_forwards(machine.id) if forward.port == 22)

    async def is_greeted() -> bool:
        reader, writer = await asyncio.open_connection(forward.host_address, forward.host_port)
        greeting = await reader.read(7)
        writer.close()
        return greeting == b"SSH-2.0"

    await until(is_greeted)
    qemu.control.children.by_name[FABRIC].kill()
    qemu.control.children.by_name[FABRIC].wait()
    with pytest.raises(ConnectionRefusedError):
        await is_greeted()

    await qemu.sampler.sample_running_machines()
    await until(is_greeted)


async def test_one_process_supervises_and_another_takes_over(qemu: Qemu, data: Path) -> None:
    other = create_qemu(data)
    first = asyncio.create_task(qemu.watch_machines(lambda: None))
    await asyncio.sleep(0)
    changed = asyncio.Event()
    second = asyncio.create_task(other.watch_machines(changed.set))
    machine = a_machine()
    await qemu.ensure_running_machine(machine)
    assert not await pause_and_resume(qemu, machine.id, changed)
    await cancel_and_wait(first)

    await until(lambda: pause_and_resume(qemu, machine.id, changed))
    await cancel_and_wait(second)
    other.close()


@pytest.mark.parametrize("resume", [True, False])
async def test_machines_are_started_after_a_boot_of_the_host_if_resume_is_set(data: Path, resume: bool) -> None:  # noqa: FBT001  # a test parameter
    driver = Qemu(data, programs.find_programs("tcg"), CATALOGUE, settings=QemuSettings(resume=resume), patience=0.1)
    running, stopped = a_machine(), a_machine(name="rested")
    await driver.ensure_running_machine(running)
    await driver.ensure_running_machine(stopped)
    await driver.ensure_stopped_machine(stopped.id)
    kill(driver, running.id)
    driver.records.save(replace(driver.records.get(running.id), host_boot="an earlier one"))
    await until(lambda: _dead(driver, running.id))

    watching = asyncio.create_task(driver.watch_machines(lambda: None))
    try:
        if resume:
            await until(lambda: _is(driver, running.id, "ACTIVE"))
        else:
            await asyncio.sleep(0.5)
            assert await status_of(driver, running.id) == "SHUTOFF"
        assert await status_of(driver, stopped.id) == "SHUTOFF"
    finally:
        await cancel_and_wait(watching)
        await end_all_processes(driver)
        driver.close()


async def test_machines_without_a_record_are_logged_and_left_alone(
    qemu: Qemu, caplog: pytest.LogCaptureFixture
) -> None:
    machine = a_machine()
    await qemu.ensure_running_machine(machine)
    pid = qemu.records.get(machine.id).pid or 0
    record = qemu.records.get(machine.id)
    qemu.state.db.execute("DELETE FROM machines")  # as if the file had been lost

    watching = asyncio.create_task(qemu.watch_machines(lambda: None))

    async def is_logged() -> bool:
        return "A machine is not known" in caplog.text

    await until(is_logged)
    await cancel_and_wait(watching)
    os.kill(pid, 0)
    qemu.records.save(record)


async def test_a_machine_beyond_the_hosts_capacity_is_refused(data: Path) -> None:
    driver = Qemu(data, programs.find_programs("tcg"), CATALOGUE, settings=QemuSettings(cpu_ratio=1 / os.cpu_count()))  # type: ignore[operator]
    await driver.ensure_running_machine(a_machine())
    try:
        with pytest.raises(DriverError, match="no capacity") as refused:
            await driver.ensure_running_machine(a_machine())
        assert not refused.value.retryable
    finally:
        await end_all_processes(driver)
        driver.close()


async def test_metadata_changes_without_a_restart(qemu: Qemu) -> None:
    machine = a_machine(nics=[a_nic()])
    await qemu.ensure_running_machine(machine)
    pid = qemu.records.get(machine.id).pid

    await qemu.ensure_machine_metadata(machine.id, MachineMetadata(name="other", tags={"a": "b"}))
    await qemu.ensure_machine_metadata("nobody", MachineMetadata(name="x", tags={}))

    assert await qemu.list_descriptions() == {machine.id: MachineMetadata(name="other", tags={"a": "b"})}
    assert qemu.records.get(machine.id).pid == pid


async def test_metrics_are_sampled_and_kept(qemu: Qemu) -> None:
    machine = await a_system(qemu, nics=[a_nic()])
    await qemu.sampler.sample_running_machines()

    async def has_samples() -> bool:
        await qemu.sampler.sample_running_machines()
        return len(await qemu.machine_samples(machine.id, 0, 1 << 62, 100)) > 2

    await until(has_samples)
    samples = await qemu.machine_samples(machine.id, 0, 1 << 62, 100)
    assert all(0 <= sample.cpu_util <= 100 and 0 < sample.memory_util <= 100 for sample in samples)
    assert samples[-1].disks.keys() == {"vda"}
    assert len(await qemu.machine_samples(machine.id, 0, 1 << 62, 1)) == 1


async def test_a_long_serial_log_is_truncated_at_its_beginning(qemu: Qemu) -> None:
    machine = await a_system(qemu)
    path = serial_log(qemu.directory.folder, machine.id)
    await qemu.ensure_suspended_machine(machine.id)
    path.write_bytes(b"x" * (5 << 20) + b"the end")

    truncate_log(path)

    assert path.stat().st_size == 1 << 20
    assert await qemu.read_serial_log_end(machine.id, 7) == b"the end"


async def test_seeds_contain_an_ipv6_gateway_only_for_bridged_networks(data: Path) -> None:
    """A guest would use such a gateway, and wait for a timeout at each connection."""
    settings = QemuSettings(bridges="pub_net=br77")
    alone, bridged = (
        Qemu(data, programs.find_programs("tcg"), CATALOGUE, settings=options) for options in (QemuSettings(), settings)
    )

    gateways = {subnet.cidr: subnet.gateway_ip for subnet in alone.fabric_updater.subnets_for_guests()}
    bridged_gateways = {subnet.cidr: subnet.gateway_ip for subnet in bridged.fabric_updater.subnets_for_guests()}

    assert gateways.keys() == bridged_gateways.keys()
    assert {cidr: gateway for cidr, gateway in gateways.items() if gateway is None} == dict.fromkeys(
        cidr for cidr in gateways if ":" in cidr
    )
    assert all(bridged_gateways.values())
    for driver in (alone, bridged):
        driver.close()


def test_missing_and_outdated_programs_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match="qemu-system-x86_64 is missing; on Debian"):
        programs.find_programs()

    old = tmp_path / "qemu-system-x86_64"
    old.write_text('#!/bin/sh\necho \'{"QMP": {"version": {"qemu": {"major": 6, "minor": 2}}}}\'\nexit 33\n')
    old.chmod(0o755)
    (tmp_path / "qemu-img").symlink_to("/bin/true")
    with pytest.raises(OSError, match=r"version 6\.2: at least 7\.2 is needed"):
        programs.find_programs()

    old.write_text("#!/bin/sh\necho 'no such library' >&2\nexit 127\n")
    with pytest.raises(OSError, match="qemu-system-x86_64 does not work: no such library"):
        programs.find_programs()


def test_kvm_is_used_only_if_a_machine_runs_on_it() -> None:
    installed = programs.find_programs()

    assert installed.accelerator in ("kvm", "tcg")
    if installed.accelerator == "tcg":
        assert "TCG: KVM does not work here" in str(installed)
        with pytest.raises(OSError, match="KVM does not work here"):
            programs.find_programs("kvm")


async def test_a_missing_operator_image_is_named(qemu: Qemu) -> None:
    image = next(image for image in CATALOGUE.public_image_records(1, 0) if image.name == "ubuntu-22.04-x64")

    with pytest.raises(DriverError, match=r"put one at .*/images/ubuntu-22.04-x64.qcow2"):
        await qemu.ensure_volume(a_disk(image_id=image.id))


async def _is(qemu: Qemu, machine_id: str, status: str) -> bool:
    return await status_of(qemu, machine_id) == status


async def _dead(qemu: Qemu, machine_id: str) -> bool:
    return not qemu.control.is_running(machine_id)
