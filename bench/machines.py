"""Real machines: from the order until one can be logged in to, against QEMU started by hand with the same arguments."""

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

from bench.servers import KEY, free_port, pileus
from pileus.domain.catalogue import image_id
from pileus.drivers.protocols.compute import Machine
from pileus.drivers.qemu import arguments
from pileus.drivers.qemu.programs import find_programs
from pileus.drivers.qemu.seed import seed

SYSTEM = "debian-12-generic-x64"
FLAVOR, VCPUS, RAM = "g1s-shared-1-0.5", 1, 512
PATIENCE = 120.0
HEADERS = {"Authorization": f"APIKey {KEY}"}
GUEST = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pileus" / "tiny-guest.qcow2"


def measured(rounds: int) -> tuple[float, float]:
    """Seconds from the order until the machine can be reached, and of QEMU started by hand."""
    GUEST.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["scripts/tiny-guest", str(GUEST)], check=True)
    with tempfile.TemporaryDirectory(prefix="pileus-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        ours, bare = [], []
        with _cloud(home) as client:
            _ordered(client)
            for _ in range(rounds):
                ours.append(_ordered(client))
                bare.append(_by_hand(home / f"bare-{uuid.uuid4()}"))
        return statistics.median(ours), statistics.median(bare)


@contextmanager
def _cloud(home: Path) -> Iterator[httpx.Client]:
    (home / "data/images").mkdir(parents=True)
    (home / f"data/images/{SYSTEM}.qcow2").symlink_to(GUEST)
    address = f"http://127.0.0.1:{(port := free_port())}"
    client = httpx.Client(base_url=address, headers=HEADERS, timeout=30)
    with pileus(home / "data", port, "--driver", "qemu"), client:
        yield client
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _works_in(entry, home):
            os.kill(int(entry.name), 9)


def _works_in(process: Path, home: Path) -> bool:
    try:
        return (process / "cwd").readlink().is_relative_to(home)
    except OSError:
        return False


def _ordered(client: httpx.Client) -> float:
    """Order a machine, wait until it is reached, and delete it; the seconds until it was reached."""
    volume = {"source": "image", "image_id": image_id(1, SYSTEM), "size": 5, "boot_index": 0}
    order = {"name": "bench", "flavor": FLAVOR, "interfaces": [{"type": "external"}], "volumes": [volume]}
    began = time.monotonic()
    task = client.post("/cloud/v2/instances/1/1", json=order).raise_for_status().json()["tasks"][0]
    made = _until(lambda: client.get(f"/cloud/v1/tasks/{task}").json().get("created_resources"))
    identity = made["instances"][0]
    way = _until(lambda: client.get(f"/_pileus/instances/1/1/{identity}/ways").json())[0]
    process = next(entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and _is(entry, identity))
    _until(lambda: _greets(way["host_port"]))
    whole = time.monotonic() - began
    client.delete(f"/cloud/v1/instances/1/1/{identity}").raise_for_status()
    _until(lambda: not process.exists())
    return whole


def _is(process: Path, identity: str) -> bool:
    try:
        return identity.encode() in (process / "cmdline").read_bytes()
    except OSError:
        return False


def _by_hand(folder: Path) -> float:
    """Seconds from starting QEMU with a machine's arguments until it is reached."""
    folder.mkdir()
    (folder / "volumes").mkdir()
    machine = Machine(id=str(uuid.uuid4()), name="bench", flavor_id=FLAVOR, vcpus=VCPUS, ram=RAM)
    shutil.copy(GUEST, folder / "base.qcow2")
    (folder / "seed.iso").write_bytes(seed(machine, []))
    port = free_port()
    began = time.monotonic()
    disk = arguments.disk("volume", 1, 0)
    disk.backend["file"]["filename"] = "volumes/volume.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", "../base.qcow2", "-F", "qcow2", "volumes/volume.qcow2", "5G"],
        cwd=folder,
        check=True,
    )
    card = arguments.nic("port", "fa:16:3e:00:00:01", 2)
    forward = [{"str": f"tcp:127.0.0.1:{port}-:22"}]
    card.backend = {"type": "user", "id": card.backend["id"], "hostfwd": forward}
    running = subprocess.Popen(arguments.command(find_programs("auto"), machine, [disk, card]), cwd=folder)
    try:
        _until(lambda: _greets(port))
        return time.monotonic() - began
    finally:
        running.kill()
        running.wait()


def _greets(port: int) -> bool:
    """Whether an SSH server greets there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as there:
            there.settimeout(2)
            return there.recv(4) == b"SSH-"
    except OSError:
        return False


def _until(look: Any) -> Any:
    end = time.monotonic() + PATIENCE
    while not (thing := look()):
        if time.monotonic() > end:
            raise TimeoutError("the machine is not reached")
        time.sleep(0.02)
    return thing
