"""Downloads cloud-init and unpacks it, without installing it: `python -m tests.cloud_init.packages`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.guest import IMAGE
from tests.guest.build import CannotBuild, list_options, run

FOLDER = IMAGE.with_name("cloud-init")
"""The unpacked packages, kept for later runs."""
MODULES = "usr/lib/python3/dist-packages"
PACKAGES = (
    "cloud-init", "python3-configobj", "python3-jinja2", "python3-json-pointer", "python3-jsonpatch",
    "python3-markupsafe", "python3-six",
)  # fmt: skip
"""cloud-init and what it imports besides the packages that tests need."""
READER = Path(__file__).with_name("reader.py")


def ensure_cloud_init() -> Path:
    """Return the directory of cloud-init's modules, downloaded if it is missing. Raises CannotBuild."""
    if not (FOLDER / MODULES / "cloudinit").exists():
        for program in ("apt-get", "dpkg-deb"):
            if not shutil.which(program):
                raise CannotBuild(f"{program} is missing: cloud-init's code comes from Debian's package")
        FOLDER.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="cloud-init-", dir=FOLDER.parent) as folder:
            _unpack(Path(folder))
    return FOLDER / MODULES


def read_with_cloud_init(command: str, source: str | Path) -> bytes:
    """Return what cloud-init's code reads from a seed's directory or from a metadata service, as JSON."""
    arguments = [sys.executable, str(READER), command, str(source)]
    environment = os.environ | {"PYTHONPATH": str(ensure_cloud_init())}
    done = subprocess.run(arguments, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def _unpack(folder: Path) -> None:
    try:
        run("apt-get", "download", "-qq", *PACKAGES, cwd=folder)
    except CannotBuild:
        # The system's package lists are missing or old: lists in a directory of our own take no privileges.
        options = list_options(folder)
        run("apt-get", *options, "update", "-qq")
        run("apt-get", *options, "download", "-qq", *PACKAGES, cwd=folder)
    for package in folder.glob("*.deb"):
        run("dpkg-deb", "-x", str(package), str(folder / "new"))
    if not FOLDER.exists():
        (folder / "new").rename(FOLDER)


if __name__ == "__main__":
    ensure_cloud_init()
