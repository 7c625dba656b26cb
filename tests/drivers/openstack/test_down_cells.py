"""A cell of Nova that does not answer: lists lack its servers, which run on."""

from typing import Any

import pytest

from pileus.drivers.openstack.machines import ServerLifecycle
from pileus.drivers.openstack.names import MACHINE_TAG, engine_name
from pileus.drivers.openstack.ports import NeutronPorts
from pileus.drivers.openstack.server_devices import ServerDevices
from pileus.drivers.openstack.servers import OpenstackServers
from pileus.drivers.openstack.settings import OpenstackSettings
from pileus.drivers.openstack.volume_attachments import CinderAttachments
from pileus.drivers.openstack.volumes import CinderVolumes
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable

Json = dict[str, Any]
UNUSED: Any = None
SERVER = {
    "id": "s1",
    "name": "web",
    "status": "ACTIVE",
    "created": "1",
    "tags": [MACHINE_TAG, engine_name("web")],
    "OS-EXT-STS:task_state": None,
}
PARTIAL = {"id": "s1", "status": "UNKNOWN"}
PORT = {"id": "p1", "name": engine_name("port"), "device_id": "s1"}
VOLUME = {"id": "v1", "name": engine_name("data"), "created_at": "1", "attachments": [{"server_id": "s1"}]}


class Cloud:
    """Has a server with a port and a volume, in a cell that answers or does not, and nothing else."""

    def __init__(self, *, is_cell_up: bool = False, servers: tuple[Json, ...] = (SERVER,)) -> None:
        self.is_cell_up, self.servers = is_cell_up, servers
        self.deleted: list[str] = []

    async def get(self, _service: str, path: str, *, tags: str = "", **_params: str) -> Json:
        """Return a list, or the server."""
        if path == "/ports":
            return {"ports": [PORT]}
        if path.startswith("/volumes"):
            return {"volumes": [VOLUME]}
        if path == "/servers/s1":
            return {"server": SERVER if self.is_cell_up else PARTIAL}
        if not tags:
            return {"servers": self.servers if self.is_cell_up else [PARTIAL for _ in self.servers]}
        return {"servers": [item for item in self.servers if self.is_cell_up and tags in item["tags"]]}

    async def delete(self, _service: str, path: str) -> None:
        """Delete something."""
        self.deleted.append(path)


def servers_in(cloud: Any) -> OpenstackServers:
    return OpenstackServers(cloud, Waits(OpenstackSettings(poll_interval=0)))


def ports_in(cloud: Any) -> NeutronPorts:
    return NeutronPorts(cloud, UNUSED, UNUSED, servers=servers_in(cloud), groups=UNUSED)


def lifecycle_in(cloud: Any) -> ServerLifecycle:
    devices = ServerDevices(UNUSED, UNUSED, UNUSED, ports_in(cloud), boot_image="")
    return ServerLifecycle(cloud, servers_in(cloud), UNUSED, devices)


async def test_a_machine_in_a_cell_that_does_not_answer_is_not_missing() -> None:
    with pytest.raises(DriverUnreachable, match="does not reach the cell of server s1"):
        await lifecycle_in(Cloud()).list_missing_machines(["web"])

    assert await lifecycle_in(Cloud(is_cell_up=True)).list_missing_machines(["web", "db"]) == ["db"]


async def test_a_machine_in_a_cell_that_does_not_answer_is_not_taken_for_deleted() -> None:
    cloud = Cloud()

    with pytest.raises(DriverUnreachable):
        await lifecycle_in(cloud).ensure_no_machine("web")

    assert cloud.deleted == []


async def test_what_is_left_of_a_machine_without_server_is_deleted() -> None:
    cloud = Cloud(servers=())

    await lifecycle_in(cloud).ensure_no_machine("web")

    assert cloud.deleted == ["/ports/p1", "/os-keypairs/pileus-web"]


async def test_ports_and_volumes_of_a_cell_that_does_not_answer_stay_attached() -> None:
    cloud: Any = Cloud()
    attachments = CinderAttachments(cloud, servers_in(cloud), CinderVolumes(cloud, UNUSED, UNUSED))

    with pytest.raises(DriverUnreachable):
        await ports_in(cloud).ensure_no_interface("web", "port")
    with pytest.raises(DriverUnreachable):
        await attachments.ensure_no_volume_attachment("web", "data")

    assert cloud.deleted == []


async def test_a_server_is_required_again_when_its_cell_answers() -> None:
    with pytest.raises(DriverUnreachable):
        await servers_in(Cloud()).require("web")
    with pytest.raises(DriverError, match="Machine db does not exist"):
        await servers_in(Cloud(is_cell_up=True)).require("db")


async def test_a_cell_that_ceases_to_answer_is_waited_for() -> None:
    with pytest.raises(DriverUnreachable):
        await servers_in(Cloud()).wait_until_idle(SERVER)
