"""A server that uses OpenStack through a proxy, and a network for its machines."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest
from gcore import Gcore

from tests.drivers.openstack.exchanges import write_clouds
from tests.openstack.engine import CLOUD, Engine
from tests.openstack.failures.orders import Stage, create_stage, delete_stage
from tests.openstack.failures.proxies import Proxy, run_proxy
from tests.openstack.installations import Installation


@pytest.fixture(scope="session")
def lasting_proxy() -> Iterator[Proxy]:
    """What the server's requests to OpenStack pass."""
    proxy = run_proxy()
    yield proxy
    proxy.shutdown()
    proxy.server_close()


@pytest.fixture(scope="session")
def installation(engine: Engine, lasting_proxy: Proxy) -> Iterator[Installation]:
    """A server whose catalogue is what OpenStack offers."""
    home = Path(mkdtemp(prefix="pileus-"))
    running = Installation(home, engine)
    running.write_catalogue()
    write_clouds(home / "clouds.yaml", **{CLOUD: lasting_proxy})
    running.variables |= {
        "PILEUS_OPENSTACK_CONFIG": str(home / "clouds.yaml"),
        "PILEUS_OPENSTACK_POLL_INTERVAL": "0.3",
    }
    running.start()
    yield running
    running.stop()
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def stage(installation: Installation) -> Iterator[Stage]:
    """The network of the tests; at the end nothing else is left."""
    with installation.client() as client:
        created = create_stage(client)
        yield created
        delete_stage(client, created)
    assert installation.engine.list_remaining() == []


@pytest.fixture
def proxy(lasting_proxy: Proxy) -> Iterator[Proxy]:
    """The proxy, which only forwards at first."""
    lasting_proxy.reset()
    yield lasting_proxy
    lasting_proxy.reset()


@pytest.fixture
def remaining(engine: Engine, stage: Stage) -> Iterator[None]:
    """Check that a test leaves nothing behind in OpenStack."""
    assert stage.network_id
    before = sorted(engine.list_remaining())
    yield
    assert sorted(engine.list_remaining()) == before


@pytest.fixture
def client(installation: Installation) -> Iterator[Gcore]:
    """The official client of the server."""
    with installation.client() as official_client:
        yield official_client
