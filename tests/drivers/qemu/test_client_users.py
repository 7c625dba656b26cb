"""Test that a guest that has escaped from QEMU reaches nothing of other tenants and of the server."""

import asyncio
import os
import socket
import subprocess
from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import replace

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.images import ImageSource
from pileus.drivers.protocols.storage import DiskSpec
from pileus.drivers.qemu.arguments import SEED, VNC
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.fabric.client import SOCKET
from pileus.drivers.qemu.fabric.state import VERSION
from pileus.drivers.qemu.fabric_updates import FABRIC
from pileus.drivers.qemu.log_files import serial_log
from pileus.drivers.qemu.monitor import COMMANDS, EVENTS
from pileus.drivers.qemu.paths import WireSockets
from pileus.drivers.qemu.users import ProcessUser, command_as_user
from pileus.private_files import prepare_data_directory
from pileus.tasks.cancellation import cancel_and_wait
from tests.drivers.qemu.conftest import a_disk, a_machine, a_nic, a_system, status_of, until, up
from tests.drivers.qemu.drivers import SYSTEM_IMAGE_ID, create_qemu, end_all_processes

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run machines as other users")
ATTACK = """
import os, socket, sys
for path in sys.argv[1:]:
    for flags in (os.O_RDONLY, os.O_WRONLY):
        try:
            os.close(os.open(path, flags | os.O_NONBLOCK))
            print(path)
        except OSError:
            pass
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(socket.AF_UNIX, kind) as client:
                directory = os.open(os.path.dirname(path), os.O_PATH)
                client.connect(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
                print(path)
        except OSError:
            pass
    for act in (os.unlink, lambda path: os.rename(path, path + ".moved"), lambda path: os.chmod(path, 0o777)):
        try:
            if path.endswith(".victim"):
                act(path)
                print(path)
        except OSError:
            pass
    try:
        os.close(os.open(f"{os.path.dirname(path)}/planted", os.O_CREAT | os.O_WRONLY))
        print(os.path.dirname(path))
    except OSError:
        pass
"""
"""Prints each path that the process can read, write or connect to, and each directory that it can create a file in."""


async def ignore_progress(size: int, total: int | None) -> None:
    """Take the progress of an image."""


class Tenant(Struct, frozen=True):
    """A client with a running machine, a detached volume, a snapshot and an image."""

    client_id: int
    machine: MachineSpec
    disk: DiskSpec
    spare: DiskSpec


def user_of(qemu: Qemu, client_id: int) -> ProcessUser:
    """Return the user of a client."""
    user = qemu.client_users.user_of_client(client_id)
    assert user
    return user


def status_fields(pid: int) -> dict[str, str]:
    """Return the fields of /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def environment_of(pid: int) -> bytes:
    """Return the environment of a process."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def pid_of(qemu: Qemu, machine: MachineSpec) -> int:
    """Return the process of a machine."""
    pid = qemu.records.get(machine.id).pid
    assert pid
    return pid


def reached(user: ProcessUser, *paths: Path) -> list[Path]:
    """Return which paths a process of a user can read, change or connect to, and which directories it can fill."""
    command = command_as_user(user, (), ["/usr/bin/python3", "-c", ATTACK, *map(str, paths)])
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return sorted({Path(line) for line in done.stdout.splitlines()})


def owner(path: Path) -> tuple[int, int, int]:
    """Return the user, the group and the permission bits of a file."""
    status = path.lstat()
    return status.st_uid, status.st_gid, status.st_mode & 0o7777


def private_paths(qemu: Qemu, tenant: Tenant) -> list[Path]:
    """Return all that a tenant's machine uses, and nobody else may."""
    directory, folder = qemu.directory, qemu.directory.machine_directory(tenant.machine.id)
    user_id, (nic,) = user_of(qemu, tenant.client_id).uid, tenant.machine.nics
    sockets = WireSockets.of(nic.port_id, user_id)
    return [
        *(folder / name for name in (SEED, COMMANDS, EVENTS, VNC)),
        *(directory.net / path for path in (sockets.host, sockets.guest)),
        directory.volume_file(tenant.disk.id),
        directory.volume_file(tenant.spare.id),
        directory.snapshot_file(f"snapshot-{tenant.client_id}"),
        directory.image_file(f"image-{tenant.client_id}"),
    ]


async def a_tenant(qemu: Qemu, client_id: int) -> Tenant:
    """Start the machine of a client, and create what it may have."""
    disk = a_disk(client_id=client_id, image_id=SYSTEM_IMAGE_ID, boot_index=0)
    spare = a_disk(client_id=client_id)
    await qemu.ensure_volume(disk)
    await qemu.ensure_volume(spare)
    nic = a_nic(addresses=[f"198.18.0.{50 + client_id}"], mac_address=f"fa:16:3e:00:00:0{client_id}")
    machine = a_machine(client_id=client_id, disks=[disk], nics=[nic])
    await qemu.ensure_running_machine(machine)
    await qemu.ensure_snapshot(f"snapshot-{client_id}", disk.id)
    source = ImageSource(client_id=client_id, volume_id=disk.id)
    await qemu.ensure_image(f"image-{client_id}", source, ignore_progress)
    return Tenant(client_id, machine, disk, spare)


@pytest.fixture
async def tenants(qemu: Qemu) -> list[Tenant]:
    """Two clients."""
    return [await a_tenant(qemu, 1), await a_tenant(qemu, 2)]


@needs_root
async def test_machines_of_two_clients_run_as_two_users_without_any_rights(qemu: Qemu, tenants: list[Tenant]) -> None:
    users = [user_of(qemu, tenant.client_id) for tenant in tenants]
    processes = [status_fields(pid_of(qemu, tenant.machine)) for tenant in tenants]
    fabric = status_fields(qemu.control.children.by_name[FABRIC].pid)

    assert [process["Uid"].split() for process in processes] == [[str(user.uid)] * 4 for user in users]
    assert [process["Gid"].split() for process in processes] == [[str(user.uid)] * 4 for user in users]
    assert len({user.uid for user in users}) == 2
    for process in (*processes, fabric):
        assert (process["CapPrm"], process["CapEff"], process["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")
    for process in processes:
        capabilities = {process[f"Cap{kind}"] for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")}
        assert (capabilities, process["NoNewPrivs"], process["Seccomp"]) == ({"0" * 16}, "1", "2")
        assert process["Groups"] == ""
    networks = {os.readlink(f"/proc/{pid_of(qemu, tenant.machine)}/ns/net") for tenant in tenants}  # noqa: PTH115  # no file
    assert len({os.readlink("/proc/self/ns/net"), *networks}) == 3  # noqa: PTH115  # no file
    assert fabric["Uid"].split()[0] not in {str(user.uid) for user in users}
    assert set(fabric["Gid"].split()) == {str(qemu.directory.users.client_ids.first)}  # type: ignore[union-attr]


@needs_root
async def test_a_client_cannot_reach_what_belongs_to_another_one_or_to_the_server(
    qemu: Qemu, tenants: list[Tenant], data: Path
) -> None:
    for name in ("pileus.db", "pileus.db-wal", "secrets.key", "admin.key", "home.id"):
        (data / name).touch(mode=0o600)
    directory = qemu.directory
    shared = [
        *(data / name for name in ("pileus.db", "pileus.db-wal", "secrets.key", "admin.key", "home.id")),
        *(directory.folder / name for name in ("facts.db", "facts.db-wal", "facts.db-shm", "tickets.key")),
        *(directory.net / name for name in (SOCKET, "state.json", "fabric.log", "md/x")),
        *(serial_log(directory.folder, tenant.machine.id) for tenant in tenants),
        directory.wires / "x",
    ]
    attacker, victim = tenants
    own, foreign = private_paths(qemu, attacker), private_paths(qemu, victim)

    user = user_of(qemu, attacker.client_id)
    assert reached(user, *foreign, *shared) == []
    own_folder = qemu.directory.machine_directory(attacker.machine.id)
    guests = own[5].parent
    assert set(reached(user, *own)) == {*own, own_folder, guests}
    assert all(path.exists() for path in foreign)


@needs_root
async def test_a_client_can_only_read_its_images_and_snapshots_and_those_of_the_operator(
    qemu: Qemu, tenants: list[Tenant]
) -> None:
    user = user_of(qemu, 1)
    bases = [path for path in qemu.directory.images.iterdir() if path.name.startswith(SYSTEM_IMAGE_ID)]

    assert [owner(path) for path in bases] == [(0, 0, 0o444)]
    assert owner(qemu.directory.image_file("image-1")) == (0, user.gid, 0o440)
    assert owner(qemu.directory.snapshot_file("snapshot-1")) == (0, user.gid, 0o440)
    assert tenants


@needs_root
async def test_files_stay_those_of_their_client_through_all_changes(qemu: Qemu, tenants: list[Tenant]) -> None:
    user, tenant = user_of(qemu, 1), tenants[0]
    own = (user.uid, user.gid, 0o600)
    volumes = [qemu.directory.volume_file(disk.id) for disk in (tenant.disk, tenant.spare)]

    await qemu.ensure_volume_attachment(tenant.machine.id, tenant.spare)
    await qemu.ensure_volume_size(tenant.spare.id, 2)
    await qemu.ensure_snapshot("attached", tenant.spare.id)
    await qemu.ensure_stopped_machine(tenant.machine.id)
    await qemu.ensure_no_volume_attachment(tenant.machine.id, tenant.spare.id)
    await qemu.ensure_volume_size(tenant.spare.id, 3)
    await qemu.ensure_snapshot("detached", tenant.spare.id)
    await qemu.ensure_reverted_volume(tenant.spare.id, "attached", "request")
    copy = a_disk(client_id=1, size=3, snapshot_id="detached")
    await qemu.ensure_volume(copy)
    from_image = a_disk(client_id=1, size=2, image_id="image-1")
    await qemu.ensure_volume(from_image)
    await qemu.ensure_image("from-detached", ImageSource(client_id=1, volume_id=from_image.id), ignore_progress)

    new_volumes = [qemu.directory.volume_file(disk.id) for disk in (copy, from_image)]
    assert [owner(path) for path in (*volumes, *new_volumes)] == [own] * 4
    read_only = [qemu.directory.snapshot_file("attached"), qemu.directory.snapshot_file("detached")]
    read_only.append(qemu.directory.image_file("from-detached"))
    assert [owner(path) for path in read_only] == [(0, user.gid, 0o440)] * 3
    disks = [tenant.disk, tenant.spare, copy, from_image]
    await qemu.ensure_running_machine(replace(tenant.machine, disks=disks))
    await until(lambda: up(qemu, tenant.machine.id))


@needs_root
async def test_a_header_that_names_the_disk_of_another_client_reaches_nothing(
    qemu: Qemu, tenants: list[Tenant]
) -> None:
    """A guest that has escaped from QEMU can write any header into its own volume."""
    attacker, victim = tenants
    volume, secret = (qemu.directory.volume_file(tenant.spare.id) for tenant in (attacker, victim))
    forge = ["rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", str(secret), str(volume)]
    await qemu.qemu_img.as_user(user_of(qemu, attacker.client_id)).run(*forge)

    for attempt in (
        qemu.ensure_image("stolen", ImageSource(client_id=1, volume_id=attacker.spare.id), ignore_progress),
        qemu.ensure_snapshot("stolen", attacker.spare.id),
        qemu.ensure_volume_attachment(attacker.machine.id, attacker.spare),
    ):
        with pytest.raises(DriverError, match="Permission denied"):
            await attempt


@needs_root
async def test_a_link_among_the_sockets_of_a_client_does_not_lead_frames_to_another_one(
    qemu: Qemu, tenants: list[Tenant]
) -> None:
    guest_sockets = [private_paths(qemu, tenant)[5] for tenant in tenants]
    machine_ports = [tenant.machine.nics[0].port_id for tenant in tenants]
    await until(lambda: up(qemu, tenants[0].machine.id))
    # The fabric connects again, and would follow the link.
    fabric = qemu.control.children.by_name[FABRIC]
    fabric.kill()
    fabric.wait()
    guest_sockets[0].unlink()
    guest_sockets[0].symlink_to(guest_sockets[1])
    before = (await qemu.fabric_updater.fetch_report()).counters
    host = WireSockets.of(machine_ports[1], user_of(qemu, 2).uid).host

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        # An ARP request of the second machine's address for that of the first one.
        mac, target = bytes.fromhex("fa163e000002"), bytes((198, 18, 0, 51))
        arp = bytes.fromhex("0806000108000604000" + "1") + mac + bytes((198, 18, 0, 52)) + bytes(6) + target
        directory = os.open((qemu.directory.net / host).parent, os.O_PATH)
        sender.sendto(b"\xff" * 6 + mac + arp, f"/proc/self/fd/{directory}/{Path(host).name}")
        os.close(directory)

    async def was_dropped() -> bool:
        counters = (await qemu.fabric_updater.fetch_report()).counters
        return counters[machine_ports[0]].dropped > before[machine_ports[0]].dropped

    await until(was_dropped)


@needs_root
async def test_the_next_server_finds_the_machines_and_their_users(
    qemu: Qemu, tenants: list[Tenant], data: Path
) -> None:
    pids = [pid_of(qemu, tenant.machine) for tenant in tenants]
    paths = [path for tenant in tenants for path in private_paths(qemu, tenant)]
    before = [owner(path) for path in paths]
    previous_umask = os.umask(0o022)

    prepare_data_directory(data)
    other = create_qemu(data)
    watching = asyncio.create_task(other.watch_machines(lambda: None))
    try:
        assert [await status_of(other, tenant.machine.id) for tenant in tenants] == ["ACTIVE"] * 2
        assert [owner(path) for path in paths] == before
        assert [user_of(other, number) for number in (1, 2)] == [user_of(qemu, number) for number in (1, 2)]
        await other.ensure_volume_attachment(tenants[0].machine.id, tenants[0].spare)
        await other.ensure_restarted_machine(tenants[1].machine, "request", hard=True)
        assert pid_of(other, tenants[0].machine) == pids[0]
        uid = status_fields(pid_of(other, tenants[1].machine))["Uid"].split()[0]
        assert uid == str(user_of(qemu, 2).uid)
    finally:
        os.umask(previous_umask)
        await cancel_and_wait(watching)
        await other.ensure_no_machine(tenants[1].machine.id)
        other.close()


@needs_root
async def test_a_machine_from_before_the_upgrade_works_on_and_moves_at_its_next_start(qemu: Qemu) -> None:
    """Its disks, snapshots and images belong to the user that all machines shared."""
    shared = qemu.directory.users.shared
    assert shared
    machine = await a_system(qemu, nics=[a_nic()])
    (disk,) = machine.disks
    await qemu.ensure_snapshot("before", disk.id)
    await qemu.ensure_image("private", ImageSource(volume_id=disk.id), ignore_progress)
    path, user = qemu.directory.volume_file(disk.id), user_of(qemu, 1)
    assert owner(path) == (shared.uid, shared.gid, 0o600)

    owned, spare = replace(machine, client_id=1), a_disk(client_id=1, image_id="private")
    await qemu.ensure_volume(spare)
    await qemu.ensure_running_machine(owned)
    await qemu.ensure_volume_attachment(machine.id, spare)
    await qemu.ensure_snapshot("during", spare.id)
    assert status_fields(pid_of(qemu, machine))["Uid"].split()[0] == str(shared.uid)
    await qemu.ensure_restarted_machine(replace(owned, disks=[disk, spare]), "request", hard=True)
    await until(lambda: up(qemu, machine.id))
    await qemu.ensure_volume(copy := a_disk(client_id=1, snapshot_id="before"))

    assert status_fields(pid_of(qemu, machine))["Uid"].split()[0] == str(user.uid)
    files = [path, *(qemu.directory.volume_file(volume.id) for volume in (spare, copy))]
    assert [owner(file) for file in files] == [(user.uid, user.gid, 0o600)] * 3
    assert owner(qemu.directory.machine_directory(machine.id) / SEED) == (user.uid, user.gid, 0o600)


@needs_root
async def test_a_fabric_of_an_earlier_version_is_replaced(qemu: Qemu, monkeypatch: pytest.MonkeyPatch) -> None:
    await qemu.fabric_updater.send_network_state()
    fabric = qemu.control.children.by_name[FABRIC]
    monkeypatch.setattr("pileus.drivers.qemu.fabric_updates.VERSION", VERSION + 1)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await qemu.fabric_updater.send_network_state()
    await qemu.fabric_updater.send_network_state()

    assert fabric.poll() == 0
    assert qemu.control.children.by_name[FABRIC].pid != fabric.pid


@needs_root
async def test_machines_share_a_user_if_the_operator_wants_that(data: Path, caplog: pytest.LogCaptureFixture) -> None:
    driver = create_qemu(data, user_ids="")
    machines = [a_machine(client_id=number) for number in (1, 2)]
    try:
        for machine in machines:
            await driver.ensure_running_machine(machine)
        uids = {status_fields(pid_of(driver, machine))["Uid"].split()[0] for machine in machines}
    finally:
        await end_all_processes(driver)
        driver.close()

    assert uids == {str(driver.directory.users.shared.uid)}  # type: ignore[union-attr]
    assert "Machines of all tenants run as one user" in caplog.text


async def test_qemu_gets_no_secrets_of_the_servers_environment(qemu: Qemu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PILEUS_DATABASE", "postgresql://user:password@host/db")
    machine = a_machine(nics=[a_nic()])
    await qemu.ensure_running_machine(machine)

    for pid in (pid_of(qemu, machine), qemu.control.children.by_name[FABRIC].pid):
        assert b"password" not in environment_of(pid)
