"""The fixtures of the conformance suite, with OpenStack's recorded double in place of a cloud.

With PILEUS_RECORD_OPENSTACK, the path of a clouds.yaml, the tests run against that cloud and are recorded.
"""

import os
import random
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from pileus.testing.conformance import helpers, test_load_balancers, test_machines, test_networks, test_storage
from pileus.testing.conformance.fixtures import data, driver, make_driver, system_image_id
from pileus.testing.conformance.harnesses import DriverTestHarness, load_test_harness
from tests.drivers.openstack import installations
from tests.drivers.openstack.double import Double
from tests.drivers.openstack.exchanges import ExchangeServer, load_exchanges, save_exchanges, write_clouds
from tests.drivers.openstack.recorder import Recorder

__all__ = ["data", "driver", "make_driver", "system_image_id"]


@pytest.fixture
def driver_name() -> str:
    """The name of the driver to test."""
    return "openstack"


@pytest.fixture(autouse=True)
def fixed_ids(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test choose the same ids in each run."""
    numbers = random.Random(request.node.name)  # noqa: S311  # not a secret
    fixed = SimpleNamespace(UUID=uuid.UUID, uuid4=lambda: uuid.UUID(int=numbers.getrandbits(128), version=4))
    for module in (
        helpers,
        test_load_balancers,
        test_machines,
        test_networks,
        test_storage,
        installations,
        request.module,
    ):
        if hasattr(module, "uuid"):
            monkeypatch.setattr(module, "uuid", fixed)


@pytest.fixture
def recording_name(request: pytest.FixtureRequest) -> str:
    """The name of the test's recording."""
    return "".join(letter if letter.isalnum() else "_" for letter in request.node.name).strip("_")


@contextmanager
def run_cloud_server(recording_name: str) -> Iterator[Recorder | Double]:
    """Run the double of OpenStack, or the recorder in front of it."""
    is_recording = "PILEUS_RECORD_OPENSTACK" in os.environ
    server: Recorder | Double = Recorder() if is_recording else Double(load_exchanges(recording_name))
    with serve(server):
        yield server
    if isinstance(server, Recorder):
        save_exchanges(recording_name, server.exchanges)
    else:
        assert server.unknown == []


@contextmanager
def serve(server: ExchangeServer) -> Iterator[None]:
    """Answer requests in a thread."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cloud_server(recording_name: str) -> Iterator[Recorder | Double]:
    """The double of OpenStack, or the recorder in front of it."""
    with run_cloud_server(recording_name) as server:
        yield server


@pytest.fixture
def other_cloud_server(recording_name: str) -> Iterator[Recorder | Double]:
    """Another installation of OpenStack."""
    with run_cloud_server(f"{recording_name}_other") as server:
        yield server


@pytest.fixture
def poll_interval() -> float:
    """Seconds between two looks at work in progress: the double's work is done."""
    return 0.5 if "PILEUS_RECORD_OPENSTACK" in os.environ else 0


@pytest.fixture
def openstack_settings(
    cloud_server: Recorder | Double, poll_interval: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Point the driver to the double by its variables."""
    clouds = tmp_path / "clouds.yaml"
    write_clouds(clouds, double=cloud_server)
    settings = {"CONFIG": clouds, "CLOUD": "double", "BOOT_IMAGE": "blank", "POLL_INTERVAL": poll_interval}
    for name, value in settings.items():
        monkeypatch.setenv(f"PILEUS_OPENSTACK_{name}", str(value))


@pytest.fixture
def driver_harness(driver_name: str, openstack_settings: None) -> DriverTestHarness:  # noqa: ARG001  # set for the driver
    """The set-up and clean-up of the driver, on the double."""
    return load_test_harness(driver_name)
