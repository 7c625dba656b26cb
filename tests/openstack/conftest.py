"""A server in front of the OpenStack that runs on this machine. Without one, no test here is collected."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from gcore import Gcore

from tests.openstack.engine import Engine
from tests.openstack.installations import Installation

CLOUDS = os.environ.get("PILEUS_TEST_OPENSTACK")
"""The clouds.yaml of the OpenStack, which `scripts/openstack/run-tests` names."""
collect_ignore_glob = [] if CLOUDS else ["*/test_*.py"]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The OpenStack of this machine."""
    running = Engine(Path(CLOUDS or ""))
    yield running
    running.close()


@pytest.fixture(scope="session")
def installation(engine: Engine) -> Iterator[Installation]:
    """A server whose catalogue is what OpenStack offers, and a key to log in to machines."""
    home = Path(mkdtemp(prefix="pileus-"))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "key")], check=True)
    running = Installation(home, engine)
    running.write_catalogue()
    running.start()
    with running.client() as client:
        client.cloud.ssh_keys.create(name="key", public_key=(home / "key.pub").read_text())
    yield running
    running.stop()
    shutil.rmtree(home)


@pytest.fixture
def client(installation: Installation) -> Iterator[Gcore]:
    """The official client."""
    with installation.client() as official_client:
        yield official_client
