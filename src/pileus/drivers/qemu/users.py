"""Users of the host that programs run as if the server is root: one for each client, and one for all else.

Programs start by `unshare`, `setpriv` and `prlimit` of util-linux, without network, capabilities and new privileges.
"""

import logging
import os
import pwd
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from pileus.drivers.qemu.settings import QemuSettings

LOG = logging.getLogger(__name__)
KVM = Path("/dev/kvm")
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "TZ")
"""Environment variables of the server that other programs get. Others may contain its keys and passwords."""
ISOLATION = ("unshare", "--net", "--ipc", "--")
"""Runs a program in a network namespace without interfaces. The sockets of machines are files and need none."""
ISOLATION_TIMEOUT = 20.0
"""Seconds that a test of it may take."""
MAPS = ("/proc/self/uid_map", "/proc/self/gid_map")
SUBORDINATE_IDS = ("/etc/subuid", "/etc/subgid")


class ProcessUser(Struct, frozen=True):
    """The user, the group and the supplementary groups of a process; `client_id` is the client that they belong to.

    Programs of a user that is `isolated` have no network.
    """

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    client_id: int | None = None
    isolated: bool = False


class UserIdRange(Struct, frozen=True):
    """User ids for clients, which are group ids too. The first one is the group of the fabric."""

    first: int
    last: int

    @property
    def for_clients(self) -> range:
        """The ids that clients get."""
        return range(self.first + 1, self.last + 1)

    def check_usable(self) -> None:
        """Raise OSError if the host lacks the ids, or has given them to containers of a user."""
        for file in MAPS:
            extents = [[int(number) for number in line.split()] for line in _read_lines(file)]
            if not any(start <= self.first and self.last < start + count for start, _, count in extents):
                raise OSError(
                    f"The ids {self} do not exist here ({file}), as in a container: choose others with"
                    " --qemu-user-ids, or run all machines as one user with --qemu-user-ids=''"
                )
        for file in SUBORDINATE_IDS:
            for owner, start, count in (line.split(":") for line in _read_lines(file) if line.count(":") == 2):
                if int(start) <= self.last and self.first < int(start) + int(count):
                    raise OSError(f"The ids {self} overlap with those of {owner} in {file}: see --qemu-user-ids")

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"


class HostUsers:
    """The users that programs run as. Without root's rights, all run as the user of the server, which is None."""

    def __init__(self, settings: QemuSettings, accelerator: str = "tcg") -> None:
        self.groups = _kvm_groups() if accelerator == "kvm" else ()
        self.shared = _find_user(settings.user, self.groups)
        if self.shared and _can_isolate():
            self.shared = replace(self.shared, isolated=True)
        bounds = settings.user_id_bounds if self.shared else None
        self.client_ids = UserIdRange(*bounds) if bounds else None
        if self.client_ids:
            self.client_ids.check_usable()

    def warn_if_shared(self) -> None:
        """Log that clients have no users of their own, if so."""
        if self.client_ids is None:
            LOG.warning(
                "Machines of all tenants run as one user, %d: a guest that escapes from QEMU can reach all of them",
                self.shared.uid if self.shared else os.geteuid(),
            )

    @property
    def fabric(self) -> ProcessUser | None:
        """The user of the fabric, whose group may send to the machines of all clients."""
        if self.shared is None:
            return None
        return ProcessUser(self.shared.uid, self.client_ids.first if self.client_ids else self.shared.gid)

    def user_with_id(self, uid: int, client_id: int) -> ProcessUser:
        """Return the user of a client."""
        return ProcessUser(uid, uid, self.groups, client_id, isolated=self.shared is not None and self.shared.isolated)


def command_as_user(user: ProcessUser | None, limits: Sequence[str], command: Sequence[str]) -> list[str]:
    """Return a command that runs another one as a user, with limits of `prlimit`."""
    limited = ["prlimit", *limits, "--", *command] if limits else [*command]
    if user is None:
        return limited
    groups = ["--groups", ",".join(map(str, user.groups))] if user.groups else ["--clear-groups"]
    rights = ["--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    isolation = ISOLATION if user.isolated else ()
    return [*isolation, "setpriv", "--reuid", str(user.uid), "--regid", str(user.gid), *groups, *rights, "--", *limited]


def environment_of_programs(*names: str) -> dict[str, str]:
    """Return the environment that other programs get: a few variables of the server, and those named."""
    return {name: os.environ[name] for name in (*KEPT_VARIABLES, *names) if name in os.environ}


def _find_user(name: str, groups: tuple[int, ...]) -> ProcessUser | None:
    """Return a user; None if the server is not root or the user is root itself."""
    if os.geteuid() != 0 or name == "root":
        return None
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise OSError(f"There is no user {name} for QEMU to run as: create it, or choose another --qemu-user") from None
    own_groups = {*os.getgrouplist(name, user.pw_gid), *groups} - {0, user.pw_gid}
    return ProcessUser(user.pw_uid, user.pw_gid, tuple(sorted(own_groups)))


@cache
def _can_isolate() -> bool:
    """Return whether programs can run without a network, which takes more rights than some containers have."""
    try:
        result = subprocess.run([*ISOLATION, "true"], capture_output=True, check=False, timeout=ISOLATION_TIMEOUT)  # noqa: S603  # a fixed command
    except (OSError, subprocess.TimeoutExpired):
        return False
    if result.returncode:
        LOG.warning("Machines can open connections of the host: %s", result.stderr.decode("utf-8", "replace").strip())
    return not result.returncode


def _kvm_groups() -> tuple[int, ...]:
    """Return the group that may use KVM, if users outside of it may not."""
    status = KVM.stat() if KVM.exists() else None
    return (status.st_gid,) if status and status.st_gid and not status.st_mode & 0o002 else ()


def _read_lines(file: str) -> list[str]:
    path = Path(file)
    return path.read_text("utf-8").splitlines() if path.exists() else []
