"""Run commands as a user without rights, on hosts whose files and devices are open to root alone."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from tests.guest import IMAGE
from tests.packaging.distributions import ROOT

SCRIPT = """set -e
layers=$1 tun_mode=$2; shift 2
mount -t tmpfs tmpfs "$layers"
while [ "$1" != -- ]; do
    mkdir "$layers/$#" "$layers/$#/upper" "$layers/$#/work"
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$layers/$#/upper,workdir=$layers/$#/work" "$1"
    chmod o+x "$1"
    shift
done
shift
mknod -m "$tun_mode" "$layers/tun" c 10 200
mount --bind "$layers/tun" /dev/net/tun
exec setpriv --reuid nobody --regid nogroup --clear-groups --no-new-privs --bounding-set=-all -- "$@"
"""
"""Give the TAP device a mode, and make folders passable, in a mount namespace: nothing of the host changes."""


class RootlessUser:
    """The user `nobody`, with a folder for its data."""

    def __init__(self, folder: Path) -> None:
        self.data, self._layers = folder / "data", folder / "layers"
        self._layers.mkdir()
        self.data.mkdir()
        self.data.chmod(0o777)

    def command(self, *command: str, tun_mode: str = "666") -> list[str]:
        """Return a command that runs another one as this user. By default it may open TAP devices, as usual."""
        folders = dict.fromkeys(map(str, find_closed_folders(sys.prefix, sys.base_prefix, ROOT, IMAGE.parent)))
        return [
            "unshare", "--mount", "--", "sh", "-c", SCRIPT, "sh", str(self._layers), tun_mode, *folders, "--", *command
        ]  # fmt: skip


@contextmanager
def make_rootless_user() -> Iterator[RootlessUser]:
    """Yield a user; its folder is outside of those of pytest, which are closed to others."""
    folder = Path(mkdtemp(prefix="pileus-rootless-"))
    folder.chmod(0o755)
    try:
        yield RootlessUser(folder)
    finally:
        shutil.rmtree(folder)


def find_closed_folders(*paths: str | Path) -> Iterator[Path]:
    """Yield the folders that keep other users from these paths, the outermost first."""
    for path in map(Path, paths):
        for folder in (*path.resolve().parents[::-1], path):
            if folder.exists() and not folder.stat().st_mode & 0o001:
                yield folder
