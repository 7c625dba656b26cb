"""Measure the creation of real machines against plain QEMU with the same arguments."""

import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.servers import KEY, free_port, run_pileus
from pileus.domain.catalogue import derive_public_image_id
from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.qemu import arguments
from pileus.drivers.qemu.programs import find_programs
from pileus.drivers.qemu.seed_disks import make_seed_disk

SYSTEM = "debian-12-generic-x64"
FLAVOR, VCPUS, RAM = "g1s-shared-1-0.5", 1, 512
TIMEOUT = 120.0
HEADERS = {"Authorization": f"APIKey {KEY}"}
GUEST = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pileus" / "tiny-guest.qcow2"


def measure(rounds: int) -> tuple[float, float]:
    """Return the seconds until SSH answers on a machine of Pileus, and on one of plain QEMU."""
    GUEST.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["scripts/tiny-guest", str(GUEST)], check=True)
    with tempfile.TemporaryDirectory(prefix="pileus-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        pileus_seconds, qemu_seconds = [], []
        with _run_cloud(folder) as client:
            _time_creation(client)
            for _ in range(rounds):
                pileus_seconds.append(_time_creation(client))
                qemu_seconds.append(_time_qemu(folder / f"bare-{uuid.uuid4()}"))
        return statistics.median(pileus_seconds), statistics.median(qemu_seconds)


@contextmanager
def _run_cloud(folder: Path) -> Iterator[httpx.Client]:
    (folder / "data/images").mkdir(parents=True)
    (folder / f"data/images/{SYSTEM}.qcow2").symlink_to(GUEST)
    address = f"http://127.0.0.1:{(port := free_port())}"
    client = httpx.Client(base_url=address, headers=HEADERS, timeout=30)
    with run_pileus(folder / "data", port, "--driver", "qemu"), client:
        yield client
    end_processes_in(folder)


def end_processes_in(folder: Path) -> None:
    """Kill the machines and all other processes that work in a folder."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _has_working_directory(entry, folder):
            os.kill(int(entry.name), 9)


def _has_working_directory(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


def _time_creation(client: httpx.Client) -> float:
    """Create a machine, wait until SSH answers, and delete it. Return the seconds until SSH answered."""
    volume = {"source": "image", "image_id": derive_public_image_id(1, SYSTEM), "size": 5, "boot_index": 0}
    order = {"name": "bench", "flavor": FLAVOR, "interfaces": [{"type": "external"}], "volumes": [volume]}
    started_at = time.monotonic()
    task = client.post("/cloud/v2/instances/1/1", json=order).raise_for_status().json()["tasks"][0]
    created = _wait_until(lambda: client.get(f"/cloud/v1/tasks/{task}").json().get("created_resources"))
    instance_id = created["instances"][0]
    port_forward = _wait_until(lambda: client.get(f"/_pileus/instances/1/1/{instance_id}/port_forwards").json())[0]
    process = next(
        entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is_process_of(entry, instance_id)
    )
    _wait_until(lambda: _answers_ssh(port_forward["host_port"]))
    seconds = time.monotonic() - started_at
    client.delete(f"/cloud/v1/instances/1/1/{instance_id}").raise_for_status()
    _wait_until(lambda: not process.exists())
    return seconds


def _is_process_of(process: Path, instance_id: str) -> bool:
    try:
        return instance_id.encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False


def _time_qemu(folder: Path) -> float:
    """Start QEMU with the arguments of a machine. Return the seconds until SSH answers."""
    folder.mkdir()
    (folder / "volumes").mkdir()
    machine = MachineSpec(id=str(uuid.uuid4()), name="bench", flavor_id=FLAVOR, vcpus=VCPUS, ram=RAM)
    shutil.copy(GUEST, folder / "base.qcow2")
    (folder / "seed.iso").write_bytes(make_seed_disk(machine, []))
    port = free_port()
    started_at = time.monotonic()
    disk = arguments.disk_device("volume", 1, 0)
    disk.backend["file"]["filename"] = "volumes/volume.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "../base.qcow2", "-F", "qcow2", "volumes/volume.qcow2", "5G"],
        cwd=folder,
        check=True,
    )
    nic_arguments = arguments.nic_device("port", "fa:16:3e:00:00:01", 2)
    forward = [{"str": f"tcp:127.0.0.1:{port}-:22"}]
    nic_arguments.backend = {"type": "user", "id": nic_arguments.backend["id"], "hostfwd": forward}
    with (folder / "serial.log").open("ab") as log:
        command = arguments.qemu_command(find_programs("auto"), machine, [disk, nic_arguments], log.fileno())
        process = subprocess.Popen(command, cwd=folder, pass_fds=(log.fileno(),))
    try:
        _wait_until(lambda: _answers_ssh(port))
        return time.monotonic() - started_at
    finally:
        process.kill()
        process.wait()


def _answers_ssh(port: int) -> bool:
    """Return whether an SSH server answers on a port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.settimeout(2)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _wait_until(condition: Any) -> Any:
    end = time.monotonic() + TIMEOUT
    while not (result := condition()):
        if time.monotonic() > end:
            raise TimeoutError("the machine cannot be reached")
        time.sleep(0.02)
    return result
