"""Servers: how they are found, waited for, and brought to a status."""

from collections.abc import Callable
from functools import partial
from typing import Any

from pileus.drivers.openstack.cloud import Json, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.names import engine_name
from pileus.drivers.openstack.power import ACTIONS, Action
from pileus.drivers.openstack.waits import Waits
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable

TASK_STATE = "OS-EXT-STS:task_state"
BUSY = frozenset({"BUILD", "DELETED", "SOFT_DELETED"})
UNKNOWN = "UNKNOWN"
"""The status of a server whose cell does not answer."""
MOST_ACTIONS = 6
"""The longest way from a status to another one has three actions; each may fail once."""


class OpenstackServers:
    """The servers of Pileus, each known by its tag."""

    def __init__(self, cloud: OpenstackCloud, waits: Waits) -> None:
        self._cloud, self._waits = cloud, waits

    async def find(self, machine_id: str) -> Json | None:
        """Return the server of a machine, or None.

        Two creations at once, of which one has lost its lease, can make two servers: the older one stays.
        """
        servers = (await self._cloud.get("compute", "/servers/detail", tags=engine_name(machine_id)))["servers"]
        servers.sort(key=lambda server: (server["created"], server["id"]))
        for server in servers[1:]:
            await self._cloud.delete("compute", f"/servers/{server['id']}")
        return servers[0] if servers else None

    async def require(self, machine_id: str) -> Json:
        """Return the server of a machine. Raises DriverError if there is none."""
        server = await self.find(machine_id)
        if server is None:
            await self.check_cells()
            raise DriverError(f"Machine {machine_id} does not exist", retryable=False)
        return server

    async def check_cells(self) -> None:
        """Check that OpenStack lists all servers, before one counts as absent. Raises DriverUnreachable.

        While the database of a cell does not answer, lists with a filter or a limit have none of its servers, and a
        list without has their ids alone. That one ends after a number of servers that OpenStack sets, usually 1000.
        """
        for server in (await self._cloud.get("compute", "/servers"))["servers"]:
            _require_complete(server)

    async def act(self, server: Json, action: Action) -> None:
        """Start an action, which goes on in the background."""
        await self._cloud.post("compute", f"/servers/{server['id']}/action", action)

    async def wait_until_idle(self, server: Json) -> Json:
        """Wait until nothing happens to a server. Raises DriverError if it is deleted meanwhile."""
        return await self.wait(server, is_idle, f"server {server['id']}")

    async def wait(self, server: Json, is_reached: Callable[[Json], bool], subject: str) -> Json:
        """Wait for a condition of a server."""
        return await self._waits.wait_until(partial(self._read, server["id"]), is_reached, subject)

    async def wait_unless_gone(self, server: Json, is_reached: Callable[[Json], bool], subject: str) -> Json | None:
        """Wait for a condition of a server, and return it; None if it is deleted meanwhile."""

        def has_ended(answer: Json | None) -> bool:
            return answer is None or _is_gone(answer) or is_reached(_require_complete(answer["server"]))

        answer = await self._waits.wait_until(
            partial(self._cloud.find, "compute", f"/servers/{server['id']}"), has_ended, subject
        )
        return None if answer is None or _is_gone(answer) else answer["server"]

    async def wait_until_gone(self, server: Json) -> None:
        """Wait until a server is deleted."""
        read = partial(self._cloud.find, "compute", f"/servers/{server['id']}")
        await self._waits.wait_until(read, _is_gone, f"the deletion of server {server['id']}")

    async def bring_to(self, server: Json, status: str) -> Json:
        """Bring a server to a status, by as many actions as that takes. Raises DriverError."""
        for _ in range(MOST_ACTIONS):
            server = await self.wait_until_idle(server)
            action = ACTIONS[status].get(server["status"])
            if server["status"] == status:
                return server
            if action is None:
                break
            await self._act_unless_changed(server, action)
        raise DriverError(f"The server stays {server['status']}{reason_of(server)}", retryable=False)

    async def _act_unless_changed(self, server: Json, action: Action) -> None:
        """Start an action. The server may have changed by itself since it was read."""
        try:
            await self.act(server, action)
        except OpenstackError as error:
            if not error.retryable:
                raise

    async def _read(self, server_id: str) -> Json:
        return _require_complete((await self._cloud.get("compute", f"/servers/{server_id}"))["server"])


def is_idle(server: Json) -> bool:
    """Return whether nothing happens to a server."""
    return server.get(TASK_STATE) is None and server["status"] not in BUSY


def reason_of(server: Json) -> str:
    """Return the fault of a server in words that follow its status."""
    fault: dict[str, Any] = server.get("fault") or {}
    return f": {fault['message']}" if fault.get("message") else ""


def _require_complete(server: Json) -> Json:
    if server.get("status") == UNKNOWN and "name" not in server:
        raise DriverUnreachable(f"OpenStack does not reach the cell of server {server['id']}")
    return server


def _is_gone(answer: Json | None) -> bool:
    return answer is None or answer["server"]["status"] in {"DELETED", "SOFT_DELETED"}
