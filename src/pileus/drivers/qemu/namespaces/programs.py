"""What the host must have and allow for programs in network namespaces."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pileus.drivers.qemu.namespaces import runner
from pileus.drivers.qemu.users import environment_of_programs

SYSTEM_PATHS = "/usr/sbin:/sbin"
"""Directories that are not in the path of every user."""
PROBE_TIMEOUT = 20.0
"""Seconds that a probe may take."""


class NamespacePrograms:
    """Finds programs, and finds out whether they can run in a network namespace. `works` keeps that they can."""

    PRODUCT: str
    """What the programs are needed for, in the plural."""

    def __init__(self, *, is_root: bool) -> None:
        self.is_root, self.works = is_root, False
        self._namespace = ["unshare", "--net"] if is_root else ["unshare", "--user", "--map-root-user", "--net"]

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
        """Run a short command and return its output."""
        return subprocess.run(  # noqa: S603  # fixed arguments
            command, capture_output=True, text=True, check=False, timeout=PROBE_TIMEOUT, env=self.environment
        )
