"""The programs that load balancers need, and what the host must allow them."""

import re

from pileus.drivers.qemu.namespaces.programs import NamespacePrograms

MIN_VERSION = (2, 6)


class HaproxyPrograms(NamespacePrograms):
    """Finds HAProxy, and finds out once whether it can run in a network namespace."""

    PRODUCT = "Load balancers"

    @property
    def haproxy(self) -> str:
        """The path of HAProxy."""
        return self.find_program("haproxy") or "haproxy"

    def _probe_host(self) -> str | None:
        return (
            self.find_missing_program({"haproxy": "haproxy", "ip": "iproute2"})
            or self._find_version_obstacle()
            or self.find_namespace_obstacle()
        )

    def _find_version_obstacle(self) -> str | None:
        match = re.search(r"version (\d+)\.(\d+)", self.run([self.haproxy, "-v"]).stdout)
        if match and (int(match[1]), int(match[2])) >= MIN_VERSION:
            return None
        needed = ".".join(map(str, MIN_VERSION))
        return f"Load balancers need HAProxy {needed} or later, not {match[0] if match else 'an unknown version'}"
