"""Test control groups in a directory that looks like the kernel's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.drivers.qemu import cgroups
from tests.drivers.qemu.conftest import a_machine


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The server's own group, a child of its service's group."""
    group = tmp_path / "pileus.service" / "server"
    group.mkdir(parents=True)
    monkeypatch.setattr(cgroups, "_own_group", lambda: group)
    cgroups.ensure_parent_cgroup.cache_clear()
    yield group
    cgroups.ensure_parent_cgroup.cache_clear()


@pytest.mark.parametrize("delegated", [True, False])
def test_a_cgroup_limits_a_machine_to_its_size(own: Path, monkeypatch: pytest.MonkeyPatch, delegated: bool) -> None:  # noqa: FBT001  # a test parameter
    monkeypatch.setattr(cgroups, "_is_delegated", lambda group: delegated and group == own.parent)
    machine = a_machine(ram=1024, vcpus=2)
    group = (own.parent if delegated else own) / "pileus" / machine.id
    group.mkdir(parents=True)
    for limit in ("memory.max", "cpu.max"):
        (group / limit).write_text("max")

    cgroups.create_cgroup(machine.id, 4711, vcpus=machine.vcpus, ram=machine.ram)

    assert (group / "cgroup.procs").read_text() == "4711"
    assert (group / "memory.max").read_text() == str((1024 + 512) << 20)
    assert (group / "cpu.max").read_text() == "250000 100000"
    assert not (group / "pids.max").exists()


@pytest.mark.parametrize("vcpus", [1, 8])
def test_a_cgroup_leaves_room_for_all_threads_of_qemu(own: Path, vcpus: int) -> None:
    machine = a_machine(vcpus=vcpus)
    limit = own / "pileus" / machine.id / "pids.max"
    limit.parent.mkdir(parents=True)
    limit.write_text("max")

    cgroups.create_cgroup(machine.id, 4711, vcpus=machine.vcpus, ram=machine.ram)

    # The workers for disks, the vCPUs, and those for the event loop, RCU, the screen and copies.
    assert int(limit.read_text()) >= 64 + vcpus + 16


def test_a_machine_runs_without_a_cgroup_if_none_can_be_created(own: Path, caplog: pytest.LogCaptureFixture) -> None:
    machine = a_machine()
    (own / "pileus").mkdir()
    (own / "pileus" / machine.id).write_text("in the way")

    cgroups.create_cgroup(machine.id, 4711, vcpus=machine.vcpus, ram=machine.ram)

    assert "no control group of its own" in caplog.text


def test_a_cgroup_is_removed_with_its_machine(own: Path) -> None:
    machine = a_machine()
    cgroups.create_cgroup(machine.id, 4711, vcpus=machine.vcpus, ram=machine.ram)
    (own / "pileus" / machine.id / "cgroup.procs").unlink()

    cgroups.remove_cgroup(machine.id)

    assert list((own / "pileus").glob(machine.id)) == []
