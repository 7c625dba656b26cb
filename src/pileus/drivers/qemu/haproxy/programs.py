"""The programs that load balancers need, and what the host must allow them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from pileus.drivers.qemu.haproxy import runner
from pileus.drivers.qemu.users import environment_of_programs

SYSTEM_PATHS = "/usr/sbin:/sbin"
"""Directories that are not in the path of every user."""
MIN_VERSION = (2, 6)
PROBE_TIMEOUT = 20.0
"""Seconds that a probe may take."""


class HaproxyPrograms:
    """Finds HAProxy, and finds out once whether it can run in a network namespace."""

    def __init__(self, *, is_root: bool) -> None:
        self._namespace = ["unshare", "--net"] if is_root else ["unshare", "--user", "--map-root-user", "--net"]
        self._works = False

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the programs."""
        environment = environment_of_programs()
        return {**environment, "PATH": f"{environment.get('PATH', '')}:{SYSTEM_PATHS}".lstrip(":")}

    @property
    def haproxy(self) -> str:
        """The path of HAProxy."""
        return self._find("haproxy") or "haproxy"

    def runner_command(self, *arguments: str) -> list[str]:
        """Return the command that runs the runner in a new network namespace."""
        return [*self._namespace, "--", sys.executable, "-I", "-S", str(Path(runner.__file__)), *arguments]

    def find_obstacle(self) -> str | None:
        """Return why no load balancer can run on this host, and what to do; None if they can."""
        if self._works:
            return None
        for name, package in (("haproxy", "haproxy"), ("ip", "iproute2")):
            if self._find(name) is None:
                return f"Load balancers need the program {name}: apt-get install {package}"
        obstacle = self._find_version_obstacle() or self._find_namespace_obstacle()
        self._works = obstacle is None
        return obstacle

    def _find(self, name: str) -> str | None:
        return shutil.which(name, path=self.environment["PATH"])

    def _find_version_obstacle(self) -> str | None:
        match = re.search(r"version (\d+)\.(\d+)", self._run([self.haproxy, "-v"]).stdout)
        if match and (int(match[1]), int(match[2])) >= MIN_VERSION:
            return None
        needed = ".".join(map(str, MIN_VERSION))
        return f"Load balancers need HAProxy {needed} or later, not {match[0] if match else 'an unknown version'}"

    def _find_namespace_obstacle(self) -> str | None:
        result = self._run(self.runner_command())
        if not result.returncode:
            return None
        return (
            "Load balancers need a network namespace with a TAP device, which this host does not allow"
            f" ({result.stderr.strip()}): start the server as root, or allow users both (sysctl"
            " kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0; chmod 666"
            " /dev/net/tun)"
        )

    def _run(self, command: list[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603  # fixed arguments
            command, capture_output=True, text=True, check=False, timeout=PROBE_TIMEOUT, env=self.environment
        )
