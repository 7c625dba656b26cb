"""Test that machines cannot make the logs of the host grow without end."""

import logging
from pathlib import Path

import pytest

from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.fabric.dhcp import MAGIC_COOKIE
from pileus.drivers.qemu.fabric.fabric import Fabric
from pileus.drivers.qemu.fabric.frame_errors import LOG_INTERVAL, ErrorCounter
from pileus.drivers.qemu.fabric.frames import BROADCAST
from pileus.drivers.qemu.file_ownership import give_file
from pileus.drivers.qemu.log_files import (
    FABRIC_LOG,
    LOG_KEPT,
    LOG_LIMIT,
    former_machine_logs,
    machine_logs,
    read_log_end,
    truncate_log,
)
from tests.drivers.qemu.conftest import a_machine, a_nic, until
from tests.drivers.qemu.nics import FakeNic

HOSTILE_OPTIONS = (b"\x35\x00\xff", b"\x35", b"\x35\x01", b"\x36\x00\x35\x01\x03\xff", b"\x39\x00\x35\x01\x01\xff", b"")


async def test_hostile_dhcp_messages_write_nothing(
    fabric: Fabric, nics: dict[str, FakeNic], caplog: pytest.LogCaptureFixture
) -> None:
    a = nics["a"]
    for options in HOSTILE_OPTIONS:
        a.send_udp(BROADCAST, "255.255.255.255", (68, 67), b"\1" + bytes(235) + MAGIC_COOKIE + options)
    await a.frames()

    assert fabric.report().counters["a"].packets_out == len(HOSTILE_OPTIONS)
    assert fabric.report().errors == {}
    assert caplog.text == ""


async def test_malformed_frames_are_counted(fabric: Fabric, nics: dict[str, FakeNic]) -> None:
    a = nics["a"]
    for ethertype in (b"", b"\x08\0", b"\x08\x06", b"\x86\xdd"):
        a.send(BROADCAST + a.mac + ethertype)
    await a.frames()

    assert (fabric.report().malformed, fabric.report().counters["a"].dropped) == (4, 4)


async def test_errors_of_one_kind_are_counted_and_logged_once_per_interval(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    errors = ErrorCounter(lambda: now)

    def fail(kind: object, frame: bytes) -> None:
        if kind == "index":
            frame[99]
        raise ValueError(len(frame))

    handle = errors.guarded(fail)
    for number in range(10_000):
        handle("index" if number % 2 else "value", bytes(number % 90))
    assert sorted(errors.counts.values()) == [5000, 5000]
    assert len(caplog.records) == 2
    assert {record.exc_info[0] for record in caplog.records if record.exc_info} == {IndexError, ValueError}

    now = LOG_INTERVAL
    handle("index", b"")
    handle("index", b"")

    assert len(caplog.records) == 3
    assert "number 5001 of this kind" in caplog.records[-1].message
    assert all(record.levelno == logging.ERROR for record in caplog.records)


async def test_an_error_at_a_frame_leaves_the_fabric_in_order(
    fabric: Fabric, nics: dict[str, FakeNic], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wrong type stands for an error that nobody has found yet."""
    a, d = nics["a"], nics["d"]
    monkeypatch.setitem(fabric.switch.by_mac, ("n-a", d.mac), None)
    monkeypatch.setattr(fabric.switch.ports["a"], "pairs", None)
    for _ in range(3):
        a.send_udp(d.mac, "10.0.0.6", (1, 2))
        a.wire.sendto(b"x" * 6 + a.mac + b"\x08\0" + b"\x45" + bytes(40), "wires/a.host")
    await a.frames()

    assert list(fabric.report().errors.values()) == [3]
    d.send_udp(a.mac, "10.0.0.5", (1, 2))
    assert len(await a.packets()) == 1


@pytest.mark.parametrize(("size", "after"), [(LOG_LIMIT, LOG_LIMIT), (LOG_LIMIT + 1, LOG_KEPT)])
def test_a_long_log_keeps_its_end_and_its_writer(tmp_path: Path, size: int, after: int) -> None:
    path = tmp_path / FABRIC_LOG
    with path.open("ab", buffering=0) as writer:
        writer.write(bytes(size - 3) + b"end")

        truncate_log(path)
        assert path.stat().st_size == after
        writer.write(b"more")

    assert read_log_end(path, 7) == b"endmore"
    assert path.stat().st_size == after + 4


async def test_the_fabric_truncates_logs_while_no_server_runs(qemu: Qemu) -> None:
    machine = a_machine(nics=[a_nic()])
    await qemu.ensure_running_machine(machine)
    former = former_machine_logs(qemu.directory.folder, machine.id)
    logs = [qemu.directory.net / FABRIC_LOG, *machine_logs(qemu.directory.folder, machine.id), *former]
    for path in logs:
        with path.open("ab") as log:
            log.write(bytes(LOG_LIMIT) + b"the end")
    for path in former:
        give_file(path, qemu.directory.users.shared)

    async def are_short() -> bool:
        return all(path.stat().st_size < LOG_LIMIT for path in logs)

    await until(are_short)
    assert [read_log_end(path, 7) for path in logs] == [b"the end"] * 5
