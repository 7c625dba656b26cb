"""A server with real machines, shared by all tests of a process."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp

import pytest
from gcore import Gcore

from tests.guest import IMAGE
from tests.guest.build import ensure_image
from tests.machines.real import KEY_NAME, OPTIONS, RealCloud, end_all
from tests.requirements import skip_unless_required
from tests.servers import start_server


@pytest.fixture(scope="session")
def real() -> Iterator[RealCloud]:
    """A server with the QEMU driver, in a directory that QEMU's user can reach."""
    if not shutil.which("qemu-system-x86_64"):
        skip_unless_required("needs QEMU: apt-get install qemu-system-x86 qemu-utils")
    home = Path(mkdtemp(prefix="pileus-"))
    home.chmod(0o755)
    (home / "data/images").mkdir(parents=True)
    IMAGE.parent.mkdir(parents=True, exist_ok=True)
    (home / "data/images/debian-12-generic-x64.qcow2").symlink_to(ensure_image(IMAGE))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "key")], check=True)
    cloud = RealCloud(start_server(home / "data", *OPTIONS), home / "data", home / "key")
    with cloud.client() as client:
        client.cloud.ssh_keys.create(name=KEY_NAME, public_key=(home / "key.pub").read_text())
    try:
        yield cloud
    finally:
        with suppress(ProcessLookupError):
            cloud.server.stop()
        end_all(home / "data")
        shutil.rmtree(home)


@pytest.fixture
def client(real: RealCloud) -> Iterator[Gcore]:
    """The official client."""
    with real.client() as official_client:
        yield official_client
