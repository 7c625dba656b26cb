"""What the host must have and allow for programs in network namespaces."""

import shutil
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

from pileus.drivers.qemu.namespaces import runner
from pileus.drivers.qemu.users import environment_of_programs

SYSTEM_PATHS = "/usr/sbin:/sbin"
"""Directories that are not in the path of every user."""
PROBE_TIMEOUT = 20.0
"""Seconds that a probe may take."""
RETRY_INTERVAL = 60.0
"""Seconds after which a host with an obstacle is probed again."""


class NamespacePrograms(ABC):
    """Finds programs, and finds out whether they can run in a network namespace. `works` keeps that they can."""

    PRODUCT: str
    """What the programs are needed for, in the plural."""

    def __init__(self, *, is_root: bool) -> None:
        self.is_root, self.works = is_root, False
        self._obstacle: str | None = None
        self._retry_time, self._lock = 0.0, Lock()
        self._namespace = ["unshare", "--net"] if is_root else ["unshare", "--user", "--map-root-user", "--net"]

    def find_obstacle(self) -> str | None:
        """Return why the programs cannot run on this host, and what to do; None if they can.

        That they can is found out once, and else again after some time.
        """
        if self.works:
            return None
        with self._lock:
            if time.monotonic() >= self._retry_time:
                try:
                    self._obstacle = self._probe_host()
                except OSError as problem:
                    self._obstacle = f"{self.PRODUCT} cannot be tried on this host: {problem.strerror}"
                self._retry_time = time.monotonic() + RETRY_INTERVAL
                self.works = self._obstacle is None
            return self._obstacle

    @abstractmethod
    def _probe_host(self) -> str | None:
        """Return the first obstacle. It may take seconds. Raises OSError."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the programs."""
        environment = environment_of_programs()
        return {**environment, "PATH": f"{environment.get('PATH', '')}:{SYSTEM_PATHS}".lstrip(":")}

    def runner_command(self, *arguments: str) -> list[str]:
        """Return the command that runs the runner in a new network namespace."""
        return [*self._namespace, "--", sys.executable, "-I", "-S", str(Path(runner.__file__)), *arguments]

    def find_program(self, name: str) -> str | None:
        """Return the path of a program."""
        return shutil.which(name, path=self.environment["PATH"])

    def find_missing_program(self, packages: Mapping[str, str]) -> str | None:
        """Return what to install for the first program that is missing, by the Debian package of each program."""
        for name, package in packages.items():
            if self.find_program(name) is None:
                return f"{self.PRODUCT} need the program {name}: apt-get install {package}"
        return None

    def find_namespace_obstacle(self) -> str | None:
        """Return why there can be no network namespace with a TAP device; None if there can."""
        result = self.run(self.runner_command())
        if not result.returncode:
            return None
        return (
            f"{self.PRODUCT} need a network namespace with a TAP device, which this host does not allow"
            f" ({result.stderr.strip()}): start the server as root, or allow users both (sysctl"
            " kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0; chmod 666"
            " /dev/net/tun)"
        )

    def run(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        """Run a short command and return its output. One that cannot run, or takes too long, has failed."""
        try:
            return subprocess.run(  # noqa: S603  # fixed arguments
                command, capture_output=True, text=True, check=False, timeout=PROBE_TIMEOUT, env=self.environment
            )
        except (OSError, subprocess.TimeoutExpired) as problem:
            return subprocess.CompletedProcess(command, 1, stdout="", stderr=str(problem))
