"""The programs that file shares need, and what the host must allow them."""

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from pileus.drivers.qemu.namespaces.programs import NamespacePrograms

MIN_VERSION = 4
PACKAGES = {
    "ganesha.nfsd": "nfs-ganesha nfs-ganesha-vfs",
    "mkfs.ext4": "e2fsprogs",
    "resize2fs": "e2fsprogs",
    "mount": "mount",
    "ip": "iproute2",
}
"""The programs, and the packages of Debian and Ubuntu that have them."""
PLUGIN = "ganesha/libfsalvfs.so"
PROBE_BYTES = 1 << 20
"""Size of the image that is mounted to find out whether that works."""


class GaneshaPrograms(NamespacePrograms):
    """Finds NFS-Ganesha, and finds out once whether it can serve files in a network namespace."""

    PRODUCT = "File shares"

    def _probe_host(self) -> str | None:
        return (
            self._find_rights_obstacle()
            or self.find_missing_program(PACKAGES)
            or self._find_version_obstacle()
            or self._find_loop_obstacle()
            or self.find_namespace_obstacle()
        )

    def _find_rights_obstacle(self) -> str | None:
        if self.is_root:
            return None
        return "File shares need a file system each, which only root can mount: start the server as root"

    def _find_version_obstacle(self) -> str | None:
        match = re.search(r"V(\d+)\.(\d+)", self.run(["ganesha.nfsd", "-v"]).stdout)
        if match is None or int(match[1]) < MIN_VERSION:
            version = match[0] if match else "an unknown version"
            return f"File shares need NFS-Ganesha {MIN_VERSION} or later, not {version}"
        if not any(list(Path("/usr").glob(f"{folder}/{PLUGIN}")) for folder in ("lib", "lib64", "lib/*")):
            return "File shares need NFS-Ganesha's plug-in for local files: apt-get install nfs-ganesha-vfs"
        return None

    def _find_loop_obstacle(self) -> str | None:
        """Mount a small image in a mount namespace, which takes the mount with it when its command ends."""
        with TemporaryDirectory() as folder:
            image = str(Path(folder, "probe.img"))
            make = ["mkfs.ext4", "-q", "-F", image, f"{PROBE_BYTES >> 10}k"]
            for command in (make, ["unshare", "--mount", "mount", "-o", "loop", image, folder]):
                result = self.run(command)
                if result.returncode:
                    return f"File shares need loop devices, which this host does not allow ({result.stderr.strip()})"
        return None
