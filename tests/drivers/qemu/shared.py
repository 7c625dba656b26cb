"""File shares for tests, and their clients: guests that mount them by libnfs."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pileus.drivers.protocols.storage import FileShareSpec, ShareAccess
from pileus.drivers.qemu.driver import Qemu
from pileus.drivers.qemu.ganesha.sandbox import CONTENT, ROOT
from tests.drivers.qemu.balanced import Guest, Site, new_id
from tests.drivers.qemu.conftest import until

ADDRESS = "10.0.0.9"
CLIENT_PROGRAM = Path(__file__).parent / "nfs_client.py"


class NfsClient:
    """A user of a guest that has mounted a file share, if it could: `error` says why not."""

    def __init__(self, guest: Guest, point: str, user: int) -> None:
        server, _, path = point.partition(":")
        command = ["nsenter", f"--net=/proc/{guest.process.pid}/ns/net", sys.executable, str(CLIENT_PROGRAM)]
        self._process = subprocess.Popen(
            [*command, server, path, str(user)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.error = self.try_to("mount")

    def ask(self, *request: Any) -> Any:
        """Return the result of a request. Raises OSError with the message of libnfs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        result, error = json.loads(self._process.stdout.readline())
        if error is not None:
            raise OSError(error)
        return result

    def try_to(self, *request: Any) -> str | None:
        """Return the error of a request; None if it succeeds."""
        try:
            self.ask(*request)
        except OSError as problem:
            return str(problem)
        return None

    def end(self) -> None:
        """End the client."""
        self._process.kill()
        self._process.communicate()


class SharedSite(Site):
    """A network with guests that mount file shares."""

    def __init__(self, qemu: Qemu, folder: Path) -> None:
        super().__init__(qemu, folder)
        self.clients: list[NfsClient] = []

    def file_share(self, **changes: Any) -> FileShareSpec:
        """Return a file share of 1 GiB in the network."""
        fields: dict[str, Any] = {"id": new_id(), "client_id": 1, "size": 1, "type_name": "standard"}
        return FileShareSpec(**{**fields, "network_id": self.network_id, "ip_address": ADDRESS, **changes})

    def mount(self, guest: Guest, share: FileShareSpec, *, user: int = 0) -> NfsClient:
        """Mount a file share as a user of a guest."""
        client = NfsClient(guest, f"{share.ip_address}:/shares/share-{share.id}", user)
        self.clients.append(client)
        return client

    async def grant(self, share: FileShareSpec, access_to: str, access_level: str) -> ShareAccess:
        """Grant access to a file share."""
        access = ShareAccess(id=new_id(), file_share_id=share.id, access_to=access_to, access_level=access_level)
        await self.qemu.ensure_share_access(access)
        return access

    def runner_id(self, share: FileShareSpec) -> int:
        """Return the number of the process that the server has started for a file share."""
        record = self.qemu.file_shares.records.find(share.id)
        assert record is not None
        assert record.pid is not None
        return record.pid


async def end_and_wait(process_id: int) -> None:
    """Kill the runner of a file share, and wait until its server has ended too."""
    server = child_of(child_of(process_id))
    os.kill(process_id, signal.SIGKILL)
    await until(lambda: has_ended(server))


async def has_ended(process_id: int) -> bool:
    """Return whether a process has ended."""
    return is_gone(process_id)


def child_of(process_id: int) -> int:
    """Return the only child of a process."""
    (child,) = Path(f"/proc/{process_id}/task/{process_id}/children").read_text("utf-8").split()
    return int(child)


def run_beside(site: SharedSite, share: FileShareSpec, script: str) -> None:
    """Run a shell script in the content of a file share, as the host sees it."""
    folder = site.qemu.directory.file_share_directory(share.id) / f"{ROOT}{CONTENT}"
    namespace = f"--mount=/proc/{child_of(site.runner_id(share))}/ns/mnt"
    subprocess.run(
        ["nsenter", namespace, "sh", "-c", f"cd {folder} && {script}"], check=True, stderr=subprocess.DEVNULL
    )


def is_gone(process_id: int) -> bool:
    """Return whether a process has ended."""
    status = Path(f"/proc/{process_id}/status")
    with suppress(FileNotFoundError, ProcessLookupError):
        return "\nState:\tZ" in status.read_text("utf-8")
    return True


def namespaces(process_id: int | str) -> set[str]:
    """Return the namespaces of a process."""
    return {str((Path(f"/proc/{process_id}/ns") / name).readlink()) for name in ("net", "mnt", "pid", "ipc", "uts")}


@contextmanager
def loop_device(image: Path) -> Iterator[None]:
    """Use an image as a block device, as a process does that has mounted it."""
    command = ["losetup", "--find", "--show", str(image)]
    device = subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
    try:
        yield
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def mounted_images() -> str:
    """Return the paths of all images that are mounted."""
    command = ["losetup", "--list", "--noheadings", "-O", "BACK-FILE"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout
