"""Restarts of servers that take several calls, or whose process dies in between. No recording takes as long."""

from collections import deque
from typing import Any

import pytest

from pileus.drivers.openstack.cloud import CONFLICT, OpenstackError
from pileus.drivers.openstack.machines import REQUEST, START, ServerLifecycle
from pileus.drivers.openstack.servers import OpenstackServers
from pileus.drivers.openstack.settings import OpenstackSettings
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.errors import NotYetDone
from pileus.testing.conformance.helpers import new_machine

Json = dict[str, Any]
UNUSED: Any = None
MACHINE = new_machine(id="web")


class Cloud:
    """Has a server that needs a few looks for each action."""

    def __init__(self, status: str) -> None:
        self.status, self.metadata = status, dict[str, str]()
        self.actions: list[str] = []
        self._task_states: deque[str | None] = deque([None])

    async def get(self, _service: str, path: str, **_params: str) -> Json:
        """Return the server, or the list of it."""
        if len(self._task_states) > 1 and not path.endswith("/detail"):
            self._task_states.popleft()
        task_state = self._task_states[0]
        if task_state is None and self.actions:
            self.status = "ACTIVE"
        server: Json = {
            "id": "s",
            "name": "web",
            "created": "1",
            "status": self.status,
            "metadata": dict(self.metadata),
        }
        server |= {"OS-EXT-STS:task_state": task_state, "OS-SRV-USG:launched_at": "1"}
        return {"servers": [server]} if path.endswith("/detail") else {"server": server}

    async def post(self, _service: str, path: str, body: Json) -> Json:
        """Begin an action, or set metadata."""
        if path.endswith("/action"):
            self.actions += body
            self._task_states.extend(["busy", "busy", "busy", None])
        elif self.status == "ERROR":
            raise OpenstackError("OpenStack: Cannot 'update_metadata' while it is in vm_state error", CONFLICT)
        else:
            self.metadata |= body["metadata"]
        return {}


def lifecycle_in(cloud: Any, slot_timeout: float = 60) -> ServerLifecycle:
    waits = Waits(OpenstackSettings(poll_interval=0, slot_timeout=slot_timeout))
    return ServerLifecycle(cloud, OpenstackServers(cloud, waits), UNUSED, UNUSED)


@pytest.mark.parametrize(("status", "action"), [("SUSPENDED", "resume"), ("PAUSED", "unpause"), ("ACTIVE", "reboot")])
async def test_a_restart_that_takes_longer_than_a_slot_is_done_once(status: str, action: str) -> None:
    cloud = Cloud(status)

    with pytest.raises(NotYetDone):
        await lifecycle_in(cloud, slot_timeout=-1).ensure_restarted_machine(MACHINE, "request", hard=True)
    await lifecycle_in(cloud).ensure_restarted_machine(MACHINE, "request", hard=True)

    assert (cloud.actions, cloud.status) == ([action], "ACTIVE")


async def test_a_server_whose_start_was_noted_before_a_crash_is_started() -> None:
    cloud = Cloud("SUSPENDED")
    cloud.metadata[START] = "request"

    await lifecycle_in(cloud).ensure_restarted_machine(MACHINE, "request", hard=True)

    assert (cloud.actions, cloud.status) == (["resume"], "ACTIVE")


async def test_a_server_that_takes_no_metadata_is_restarted_first() -> None:
    cloud = Cloud("ERROR")

    await lifecycle_in(cloud).ensure_restarted_machine(MACHINE, "request", hard=False)

    assert (cloud.actions, cloud.metadata) == (["reboot"], {REQUEST: "request"})
