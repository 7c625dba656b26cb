"""Test which users of the host clients get."""

import os
import pwd
import subprocess
from pathlib import Path

import pytest

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.client_users import ClientUsers
from pileus.drivers.qemu.programs import find_programs
from pileus.drivers.qemu.settings import QemuSettings
from pileus.drivers.qemu.state import QemuStateFile
from pileus.drivers.qemu.users import HostUsers, ProcessUser, UserIdRange, command_as_user

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run programs as other users")


def state_file(folder: Path) -> QemuStateFile:
    """Return a state file."""

    async def apply() -> None:
        """Do nothing."""

    return QemuStateFile(folder / "facts.db", apply)


@needs_root
def test_a_user_is_assigned_once_and_for_good(tmp_path: Path) -> None:
    users = HostUsers(QemuSettings(user_ids="1800000000-1800000003"))
    first, second = (ClientUsers(state_file(tmp_path), users) for _ in range(2))

    ids = [clients.user_of_client(client_id) for clients in (first, second) for client_id in (7, 9, 8)]

    assert [user.uid if user else None for user in ids] == [1800000001, 1800000002, 1800000003] * 2
    with pytest.raises(DriverError, match="All users of 1800000000-1800000003 are assigned: widen --qemu-user-ids"):
        first.user_of_client(10)
    other_range = ClientUsers(state_file(tmp_path), HostUsers(QemuSettings(user_ids="1700000000-1700000003")))
    known, new = (other_range.user_of_client(client_id) for client_id in (7, 10))
    assert (known and known.uid, new and new.uid) == (1800000001, 1700000001)


@needs_root
def test_qemu_is_tried_as_the_user_that_machines_run_as(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KVM may be open to the server alone."""
    data.chmod(0o755)
    for name in ("qemu-system-x86_64", "qemu-img"):
        (data / name).write_text("#!/bin/sh\nid -u >&2; exit 1\n")
        (data / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{data}:/usr/bin:/bin")

    with pytest.raises(OSError, match=f"does not work: {pwd.getpwnam('nobody').pw_uid} "):
        find_programs("auto", QemuSettings())


@needs_root
def test_ids_of_accounts_and_of_running_processes_are_not_assigned(tmp_path: Path) -> None:
    settings = QemuSettings(user_ids="1800000100-1800000107")
    clients = ClientUsers(state_file(tmp_path), HostUsers(settings))
    stranger = ProcessUser(1800000101, 1800000101)
    with subprocess.Popen(command_as_user(stranger, (), ["cat"]), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as cat:
        assert cat.stdin
        assert cat.stdout
        cat.stdin.write(b"ready\n")
        cat.stdin.flush()
        cat.stdout.readline()
        user = clients.user_of_client(1)
        cat.stdin.close()

    assert user
    assert (user.uid, user.gid) == (1800000102, 1800000102)


@pytest.mark.parametrize("user_ids", ["1000-999", "2000-2000", "0999-2000", "60000-70000", "1000-9999999999"])
def test_ids_that_are_no_range_are_refused(user_ids: str) -> None:
    with pytest.raises(OSError, match=f"--qemu-user-ids: {user_ids} is no range from 1000"):
        _ = QemuSettings(user_ids=user_ids).user_id_bounds


def test_ids_that_the_host_has_given_away_or_lacks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "subuid").write_text("# none\nme:100000:65536\n")
    (tmp_path / "uid_map").write_text("         0     100000      65536\n")
    monkeypatch.setattr("pileus.drivers.qemu.users.SUBORDINATE_IDS", (str(tmp_path / "subuid"),))

    UserIdRange(165536, 170000).check_usable()
    with pytest.raises(OSError, match="The ids 165535-170000 overlap with those of me in"):
        UserIdRange(165535, 170000).check_usable()
    monkeypatch.setattr("pileus.drivers.qemu.users.MAPS", (str(tmp_path / "uid_map"),))
    with pytest.raises(OSError, match="The ids 60000-65536 do not exist here"):
        UserIdRange(60000, 65536).check_usable()
