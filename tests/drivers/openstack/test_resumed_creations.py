"""Creations that an earlier call has begun: it gave its slot back, or its process has died. No recording fails so."""

import itertools
from collections import deque
from typing import Any, cast

import pytest
from msgspec.structs import replace

from pileus.drivers.openstack.cloud import OpenstackCloud, OpenstackError
from pileus.drivers.openstack.machines import ServerLifecycle
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.openstack.servers import OpenstackServers
from pileus.drivers.openstack.settings import OpenstackSettings
from pileus.drivers.openstack.volumes import CinderVolumes
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.errors import DriverError, NotYetDone
from pileus.drivers.protocols.storage import DiskSpec
from pileus.testing.conformance.helpers import new_machine

Json = dict[str, Any]
DISK = DiskSpec(id="data", size=1, type_name="standard", is_new=True)
UNUSED: Any = None
BUILD_FAULT = {"fault": {"message": "Host h1 has failed"}}
NO_HOST = {"fault": {"message": "No valid host was found. There are not enough hosts available."}}


class Cloud:
    """Resources of one kind, each of which goes through statuses: one more at each look, until the last one stays.

    GONE is the end of a deletion. Resources are deleted when they are asked to be, and a second request is refused.
    """

    def __init__(self, kind: str, *lives: list[str], **fields: Any) -> None:
        self.kind, self.fields, self.lives, self.checks = kind, fields, deque(lives), 0
        self.items: dict[str, deque[str]] = {}
        self.deleted: list[str] = []
        self.deleted_keys: list[str] = []
        self._ids = itertools.count(1)

    async def get(self, _service: str, path: str, **_params: str) -> Json:
        """Return a resource, or a list of all."""
        if path.endswith(f"/{self.kind}s/detail"):
            return {f"{self.kind}s": [self._look(engine_id) for engine_id in self.items]}
        engine_id = path.rpartition("/")[2]
        if engine_id not in self.items:
            raise OpenstackError("OpenStack: not found", 404)
        life = self.items[engine_id]
        if len(life) > 1:
            life.popleft()
        if life[0] == "GONE":
            del self.items[engine_id]
            raise OpenstackError("OpenStack: not found", 404)
        return {self.kind: self._look(engine_id)}

    async def find(self, service: str, path: str) -> Json | None:
        """Return a resource, or None."""
        try:
            return await self.get(service, path)
        except OpenstackError:
            return None

    async def post(self, _service: str, _path: str, _body: Json) -> Json:
        """Create a resource, with the next life."""
        return {self.kind: self.add(*self.lives.popleft())}

    async def delete(self, _service: str, path: str) -> None:
        """Begin to delete a resource."""
        engine_id = path.rpartition("/")[2]
        if path.startswith("/os-keypairs/"):
            self.deleted_keys.append(engine_id)
            return
        if self.items[engine_id][0] == "deleting":
            raise OpenstackError("OpenStack: it is being deleted", 400)
        self.deleted.append(engine_id)
        del self.items[engine_id]

    async def require_services(self) -> None:
        """Note that all services are asked."""
        self.checks += 1

    def add(self, *life: str) -> Json:
        """Add a resource."""
        engine_id = str(next(self._ids))
        self.items[engine_id] = deque(life)
        return self._look(engine_id)

    def _look(self, engine_id: str) -> Json:
        common = {"id": engine_id, "name": engine_name("data"), "created_at": engine_id, "created": engine_id}
        return common | {"status": self.items[engine_id][0], "attachments": []} | self.fields


def waits_of(slot_timeout: float = 60) -> Waits:
    return Waits(OpenstackSettings(poll_interval=0, slot_timeout=slot_timeout))


def volumes_in(cloud: Cloud, slot_timeout: float = 60) -> CinderVolumes:
    """Return the volumes of a process."""
    connection = cast("OpenstackCloud", cloud)
    return CinderVolumes(connection, waits_of(slot_timeout), UNUSED)


def servers_in(cloud: Cloud, slot_timeout: float = 60) -> ServerLifecycle:
    """Return the servers of a process, none of which it creates."""
    connection = cast("OpenstackCloud", cloud)
    return ServerLifecycle(connection, OpenstackServers(connection, waits_of(slot_timeout)), UNUSED, UNUSED)


async def test_a_volume_that_fails_after_its_first_slot_is_created_again() -> None:
    cloud = Cloud("volume", ["creating", "downloading", "error"], ["creating", "available"])

    with pytest.raises(NotYetDone):
        await volumes_in(cloud, slot_timeout=-1).ensure_volume(DISK)
    with pytest.raises(DriverError, match="cannot fill volume data") as failed:
        await volumes_in(cloud).ensure_volume(DISK)
    await volumes_in(cloud).ensure_volume(DISK)

    assert (failed.value.retryable, cloud.checks) == (True, 1)
    assert (cloud.deleted, list(cloud.items)) == (["1"], ["2"])


async def test_a_volume_whose_deletion_has_begun_is_created_again() -> None:
    cloud = Cloud("volume", ["available"])
    cloud.add("deleting", "deleting", "GONE")

    with pytest.raises(DriverError, match="cannot fill volume data") as failed:
        await volumes_in(cloud).ensure_volume(DISK)
    await volumes_in(cloud).ensure_volume(DISK)

    assert failed.value.retryable
    assert list(cloud.items) == ["2"]


async def test_a_volume_that_is_being_deleted_is_not_deleted_again() -> None:
    cloud = Cloud("volume")
    cloud.add("deleting", "deleting", "GONE")

    await volumes_in(cloud).ensure_no_volume("data")

    assert (cloud.deleted, cloud.items) == ([], {})


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("error_extending", {}),
        ("error_restoring", {}),
        ("error_deleting", {}),
        ("error", {"attachments": [{"server_id": "s"}]}),
    ],
)
async def test_a_volume_that_can_have_data_is_not_deleted(status: str, fields: Json) -> None:
    cloud = Cloud("volume", **fields)
    cloud.add(status)

    with pytest.raises(DriverError, match=f"has the status {status} ") as failed:
        await volumes_in(cloud).ensure_volume(DISK)

    assert (failed.value.retryable, cloud.deleted) == (False, [])


async def test_a_volume_that_fails_when_its_creation_has_ended_is_not_deleted() -> None:
    cloud = Cloud("volume")
    cloud.add("error")

    with pytest.raises(DriverError, match="has the status error ") as failed:
        await volumes_in(cloud).ensure_volume(replace(DISK, is_new=False))

    assert (failed.value.retryable, cloud.deleted) == (False, [])


@pytest.mark.parametrize(("fault", "is_retryable"), [(BUILD_FAULT, True), (NO_HOST, False)])
async def test_a_server_that_an_earlier_call_has_begun_and_that_fails_is_deleted_and_a_counted_try(
    fault: Json,
    is_retryable: bool,  # noqa: FBT001  # a parameter
) -> None:
    cloud = Cloud("server", **fault)
    cloud.add("BUILD", "BUILD", "ERROR")

    with pytest.raises(DriverError, match="cannot create the server: ") as failed:
        await servers_in(cloud).ensure_running_machine(new_machine(id="data"))

    assert (failed.value.retryable, cloud.checks) == (is_retryable, 1)
    assert (cloud.deleted, cloud.items) == (["1"], {})


async def test_a_server_whose_deletion_has_begun_is_created_by_the_next_try() -> None:
    cloud = Cloud("server", **{"OS-EXT-STS:task_state": "deleting"})
    cloud.add("ERROR", "ERROR", "GONE")

    with pytest.raises(DriverError, match="cannot create the server") as failed:
        await servers_in(cloud).ensure_running_machine(new_machine(id="data"))

    assert (failed.value.retryable, cloud.deleted, cloud.items) == (True, [], {})


async def test_the_key_of_a_server_that_is_built_for_longer_than_a_slot_is_deleted() -> None:
    cloud, machine = Cloud("server"), new_machine(id="data", ssh_public_key="ssh-ed25519 AAAA key")
    cloud.add("BUILD", "BUILD", "ACTIVE")

    with pytest.raises(NotYetDone):
        await servers_in(cloud, slot_timeout=-1).ensure_running_machine(machine)
    assert cloud.deleted_keys == []
    await servers_in(cloud).ensure_running_machine(machine)

    assert cloud.deleted_keys == [engine_name("data")]
