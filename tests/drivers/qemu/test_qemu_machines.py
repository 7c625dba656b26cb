"""Machines as processes: whose they are, what becomes of them, and what there is room for."""

import asyncio
import os
import pwd
import signal
from pathlib import Path

import pytest
from msgspec.structs import replace

from pileus.domain.compute.instances import Boot
from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.compute import DriverError, Hosting, SecurityGroupSpec
from pileus.drivers.protocols.guests import Description
from pileus.drivers.qemu import programs
from pileus.drivers.qemu.arguments import SERIAL, VNC
from pileus.drivers.qemu.cgroups import parent_group
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.monitor import COMMANDS, MonitorUnavailable, open_monitor
from pileus.drivers.qemu.seed import host_name, seed
from pileus.drivers.qemu.supervisor import SERIAL_LOG_LIMIT
from pileus.drivers.qemu.wiring import FABRIC
from pileus.tasks.cancellation import cancel_and_wait
from tests.drivers.conformance import CATALOGUE, DRIVERS, end_machines
from tests.drivers.qemu.conftest import a_disk, a_machine, a_nic, a_system, status_of, until

NOBODY = pwd.getpwnam("nobody")
PASSWORD = "a-password-nobody-may-find"


def process_of(qemu: Qemu, machine_id: str) -> Path:
    """A machine's process, as the kernel shows it."""
    return Path(f"/proc/{qemu.records.get(machine_id).pid}")


def kill(qemu: Qemu, machine_id: str) -> None:
    """End a machine's process."""
    pid = qemu.records.get(machine_id).pid
    assert pid, "it was never started"
    os.kill(pid, signal.SIGKILL)


async def stirred(qemu: Qemu, machine_id: str, heard: asyncio.Event) -> bool:
    """Let a machine stop and go on; whether that was heard."""
    async with qemu.control.monitor(machine_id) as monitor:
        await monitor.do("stop")
        await monitor.do("cont")
    return heard.is_set()


async def test_a_machine_is_confined_and_nobody_in_particular(qemu: Qemu) -> None:
    machine = a_machine(name="; rm -rf / #", nics=[a_nic()])
    await qemu.ensure_running(machine)
    process = process_of(qemu, machine.id)
    command = (process / "cmdline").read_bytes().split(b"\0")

    assert process.stat().st_uid == (NOBODY.pw_uid if os.geteuid() == 0 else os.geteuid())
    assert command[command.index(b"-sandbox") + 1].startswith(b"on,")
    assert not any(b"rm -rf" in word for word in command)
    assert "Seccomp:\t2" in (process / "status").read_text()
    if parent_group() is not None:
        assert machine.id in (process / "cgroup").read_text()


async def test_links_that_a_machine_has_made_lead_nowhere(qemu: Qemu, tmp_path: Path) -> None:
    """A guest that has got out of QEMU owns its directory, and is nobody else for that."""
    machine, secret = a_machine(), tmp_path / "secret"
    await qemu.ensure_running(machine)
    secret.write_bytes(b"s" * (SERIAL_LOG_LIMIT + 1))
    folder = qemu.directory.machine(machine.id)
    for file in (SERIAL, "qemu.log", VNC):
        (folder / file).unlink()
        (folder / file).symlink_to(secret)
    listener = await asyncio.start_unix_server(lambda _, writer: writer.close(), tmp_path / "ours.sock")
    (folder / VNC).unlink()
    (folder / VNC).symlink_to(tmp_path / "ours.sock")
    console = await qemu.console(machine.id, None)

    assert await qemu.serial_log(machine.id, 100) == b""
    qemu.supervisor.truncate_serial_log(machine.id)
    with pytest.raises(DriverError, match="shows no screen"):
        await qemu.screen(console.url.rpartition("#")[2])
    qemu.directory.chown_to_qemu(folder / SERIAL)
    kill(qemu, machine.id)
    await until(lambda: _is(qemu, machine.id, "ERROR"))
    assert secret.stat().st_size > SERIAL_LOG_LIMIT
    assert secret.stat().st_uid == os.geteuid()
    assert qemu.directory.machines.stat().st_uid == os.geteuid()
    listener.close()


async def test_ids_that_lead_elsewhere_are_refused(qemu: Qemu) -> None:
    for wrong in ("../../etc", "a/b", "", ".", "x" * 65):
        with pytest.raises(DriverError, match="no id"):
            await qemu.ensure_volume(a_disk(id=wrong))


async def test_a_password_is_kept_as_its_hash_and_too_long_a_one_is_refused(qemu: Qemu) -> None:
    machine = a_machine(boot=Boot(password=PASSWORD, username="me"))
    written = seed(machine, [])

    assert PASSWORD.encode() not in written
    assert b"$2b$" in written
    with pytest.raises(DriverError, match="72 bytes"):
        await qemu.ensure_running(replace(machine, boot=Boot(password="x" * 73)))


@pytest.mark.parametrize(("name", "host"), [("Web 1", "web-1"), ("a_b.c", "a-b-c"), ("...", "machine")])
def test_a_name_becomes_one_that_a_host_can_have(name: str, host: str) -> None:
    assert host_name(name) == host


async def test_a_machine_that_is_killed_is_in_error_and_starts_again(qemu: Qemu) -> None:
    machine = await a_system(qemu)
    kill(qemu, machine.id)

    await until(lambda: _is(qemu, machine.id, "ERROR"))
    (seen,) = [each async for each in qemu.observe()]
    assert seen.reason == "QEMU was ended by SIGKILL"

    await qemu.ensure_running(machine)
    assert await status_of(qemu, machine.id) == "ACTIVE"


async def test_a_machine_that_hangs_up_after_its_greeting_is_silent(tmp_path: Path) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}}}\r\n')
        await reader.readline()
        writer.write(b'{"return": {}}\r\n')
        writer.close()

    async def asked() -> None:
        async with open_monitor(tmp_path) as monitor:
            await monitor.runstate()

    async with await asyncio.start_unix_server(greet, tmp_path / COMMANDS):
        for _ in range(20):
            with pytest.raises(MonitorUnavailable):
                await asked()


async def test_what_happens_to_a_machine_is_told_at_once(qemu: Qemu) -> None:
    machine, changes = await a_system(qemu), asyncio.Event()
    watching = asyncio.create_task(qemu.watch(changes.set))
    try:
        await until(lambda: stirred(qemu, machine.id, changes))
        changes.clear()
        kill(qemu, machine.id)
        async with asyncio.timeout(30):
            # What was heard of its stirring may come late: each time that something is told, one looks.
            status = None
            while status != "ERROR":
                await changes.wait()
                changes.clear()
                status = await status_of(qemu, machine.id)
    finally:
        await cancel_and_wait(watching)


async def test_a_network_that_is_gone_comes_back_by_itself_and_leads_where_it_did(qemu: Qemu) -> None:
    rules = [NewRule(direction="ingress", ethertype="IPv4", protocol="tcp"), NewRule(direction="egress")]
    await qemu.ensure_security_group(SecurityGroupSpec(id="open", name="open", rules=rules))
    machine = await a_system(qemu, nics=[a_nic(groups=["open"])])
    way = next(way for way in await qemu.port_forwards(machine.id) if way.port == 22)

    async def greeted() -> bool:
        reader, writer = await asyncio.open_connection(way.host_address, way.host_port)
        greeting = await reader.read(7)
        writer.close()
        return greeting == b"SSH-2.0"

    await until(greeted)
    qemu.children[FABRIC].kill()
    qemu.children[FABRIC].wait()
    with pytest.raises(ConnectionRefusedError):
        await greeted()

    await qemu.sampler.take_samples()
    await until(greeted)


async def test_one_process_of_a_host_watches_and_another_takes_over(qemu: Qemu, home: Path) -> None:
    other = DRIVERS["qemu"].create(home)
    first = asyncio.create_task(qemu.watch(lambda: None))
    await asyncio.sleep(0)
    heard = asyncio.Event()
    second = asyncio.create_task(other.watch(heard.set))
    machine = a_machine()
    await qemu.ensure_running(machine)
    assert not await stirred(qemu, machine.id, heard)
    await cancel_and_wait(first)

    await until(lambda: stirred(qemu, machine.id, heard))
    await cancel_and_wait(second)
    other.close()


@pytest.mark.parametrize("resume", [True, False])
async def test_machines_start_again_after_the_host_has_if_they_are_to(home: Path, resume: bool) -> None:  # noqa: FBT001
    driver = Qemu(home, programs.find_programs("tcg"), CATALOGUE, hosting=Hosting(resume=resume), patience=0.1)
    ran, rested = a_machine(), a_machine(name="rested")
    await driver.ensure_running(ran)
    await driver.ensure_running(rested)
    await driver.ensure_stopped(rested.id)
    kill(driver, ran.id)
    driver.records.save(replace(driver.records.get(ran.id), host_boot="an earlier one"))
    await until(lambda: _dead(driver, ran.id))

    watching = asyncio.create_task(driver.watch(lambda: None))
    try:
        if resume:
            await until(lambda: _is(driver, ran.id, "ACTIVE"))
        else:
            await asyncio.sleep(0.5)
            assert await status_of(driver, ran.id) == "SHUTOFF"
        assert await status_of(driver, rested.id) == "SHUTOFF"
    finally:
        await cancel_and_wait(watching)
        await end_machines(driver)
        driver.close()


async def test_machines_that_nobody_knows_are_told_of_and_left_alone(
    qemu: Qemu, caplog: pytest.LogCaptureFixture
) -> None:
    machine = a_machine()
    await qemu.ensure_running(machine)
    pid = qemu.records.get(machine.id).pid or 0
    known = qemu.records.get(machine.id)
    qemu.state.db.execute("DELETE FROM machines")  # as if the file had been lost

    watching = asyncio.create_task(qemu.watch(lambda: None))

    async def told() -> bool:
        return "A machine is not known" in caplog.text

    await until(told)
    await cancel_and_wait(watching)
    os.kill(pid, 0)
    qemu.records.save(known)


async def test_there_is_no_room_for_more_than_the_host_is_to_have(home: Path) -> None:
    driver = Qemu(home, programs.find_programs("tcg"), CATALOGUE, hosting=Hosting(cpu_ratio=1 / os.cpu_count()))  # type: ignore[operator]
    await driver.ensure_running(a_machine())
    try:
        with pytest.raises(DriverError, match="no capacity") as refused:
            await driver.ensure_running(a_machine())
        assert not refused.value.retryable
    finally:
        await end_machines(driver)
        driver.close()


async def test_a_machine_learns_its_new_name_without_a_restart(qemu: Qemu) -> None:
    machine = a_machine(nics=[a_nic()])
    await qemu.ensure_running(machine)
    pid = qemu.records.get(machine.id).pid

    await qemu.ensure_metadata(machine.id, Description(name="other", tags={"a": "b"}))
    await qemu.ensure_metadata("nobody", Description(name="x", tags={}))

    assert await qemu.described() == {machine.id: Description(name="other", tags={"a": "b"})}
    assert qemu.records.get(machine.id).pid == pid


async def test_how_busy_a_machine_is_is_measured_and_kept(qemu: Qemu) -> None:
    machine = await a_system(qemu, nics=[a_nic()])
    await qemu.sampler.take_samples()

    async def measured() -> bool:
        await qemu.sampler.take_samples()
        return len(await qemu.metrics(machine.id, 0, 1 << 62, 100)) > 2

    await until(measured)
    samples = await qemu.metrics(machine.id, 0, 1 << 62, 100)
    assert all(0 <= each.cpu_util <= 100 and 0 < each.memory_util <= 100 for each in samples)
    assert samples[-1].disks.keys() == {"vda"}
    assert len(await qemu.metrics(machine.id, 0, 1 << 62, 1)) == 1


async def test_a_full_serial_log_loses_its_beginning(qemu: Qemu) -> None:
    machine = await a_system(qemu)
    path = qemu.directory.machine(machine.id) / "serial.log"
    await qemu.ensure_suspended(machine.id)
    path.write_bytes(b"x" * (5 << 20) + b"the end")

    qemu.supervisor.truncate_serial_log(machine.id)

    assert path.stat().st_size == 1 << 20
    assert await qemu.serial_log(machine.id, 7) == b"the end"


async def test_no_way_out_by_ipv6_is_told_where_none_leads(home: Path) -> None:
    """A guest that believed in one would wait for it at each connection."""
    hosting = Hosting(bridges={"pub_net": "br77"})
    alone, bridged = (
        Qemu(home, programs.find_programs("tcg"), CATALOGUE, hosting=each) for each in (Hosting(), hosting)
    )

    told = {each.cidr: each.gateway_ip for each in alone.wiring.seeded_subnets()}
    told_there = {each.cidr: each.gateway_ip for each in bridged.wiring.seeded_subnets()}

    assert told.keys() == told_there.keys()
    assert {cidr: gateway for cidr, gateway in told.items() if gateway is None} == dict.fromkeys(
        cidr for cidr in told if ":" in cidr
    )
    assert all(told_there.values())
    for driver in (alone, bridged):
        driver.close()


def test_what_is_missing_or_too_old_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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


def test_kvm_is_used_if_a_machine_runs_on_it_and_never_for_its_device_alone() -> None:
    found = programs.find_programs()

    assert found.accelerator in ("kvm", "tcg")
    if found.accelerator == "tcg":
        assert "TCG: KVM does not work here" in str(found)
        with pytest.raises(OSError, match="KVM does not work here"):
            programs.find_programs("kvm")


async def test_the_image_of_an_operator_is_asked_for_where_it_is_missing(qemu: Qemu) -> None:
    image = next(each for each in CATALOGUE.image_records(1, 0) if each.name == "ubuntu-22.04-x64")

    with pytest.raises(DriverError, match=r"put one at .*/images/ubuntu-22.04-x64.qcow2"):
        await qemu.ensure_volume(a_disk(image_id=image.id))


async def _is(qemu: Qemu, machine_id: str, status: str) -> bool:
    return await status_of(qemu, machine_id) == status


async def _dead(qemu: Qemu, machine_id: str) -> bool:
    return not qemu.control.is_running(machine_id)
