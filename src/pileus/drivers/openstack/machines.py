"""The lifecycle of machines: start, stop, suspend, restart, resize, installation and deletion."""

from collections.abc import AsyncIterator, Sequence
from functools import partial

from pileus.domain.compute.instances import Status
from pileus.drivers.openstack.catalogue_names import CatalogueNames
from pileus.drivers.openstack.cloud import CONFLICT, Json, OpenstackCloud, OpenstackError
from pileus.drivers.openstack.names import MACHINE_TAG, engine_name, machine_id_of
from pileus.drivers.openstack.power import CONFIRM_RESIZE, HARD_REBOOT, SOFT_REBOOT
from pileus.drivers.openstack.server_devices import ServerDevices
from pileus.drivers.openstack.server_orders import make_server_order
from pileus.drivers.openstack.servers import OpenstackServers, is_idle, reason_of
from pileus.drivers.protocols.compute import MachineSpec, ObservedMachine
from pileus.drivers.protocols.errors import DriverError

REQUEST = "pileus:request"
"""The metadata key of the last restart or installation."""
START = "pileus:start"
"""The metadata key of the last restart that has begun to start a server which did not run."""
NOTING_STATUSES = frozenset({Status.SHUTOFF, Status.SUSPENDED, Status.PAUSED})
"""Statuses besides ACTIVE in which OpenStack sets the metadata of a server; it refuses that in others."""
LOST_HOST_STATUSES = frozenset({"UNKNOWN", "DOWN"})
"""Statuses of hosts that have died, or that an administrator has declared dead."""
NO_HOST = "No valid host was found"
ENGINE_STATUSES = {status.value for status in Status}


class ServerLifecycle:
    """Brings the servers of machines to their intended states."""

    def __init__(
        self, cloud: OpenstackCloud, servers: OpenstackServers, names: CatalogueNames, devices: ServerDevices
    ) -> None:
        self._cloud, self._servers, self._names, self._devices = cloud, servers, names, devices

    async def ensure_running_machine(self, machine: MachineSpec) -> None:
        """Start or create a server, with the volumes and ports that the machine names."""
        server = await self._servers.find(machine.id) or await self._create(machine)
        server = await self._require_launched(server)
        if machine.ssh_public_key:
            # A server keeps a copy of its key. An earlier call can have begun the server.
            await self._delete_key(machine.id)
        await self._start(server, machine)

    async def ensure_started_machine(self, machine: MachineSpec) -> None:
        """Start a server that exists, with the volumes and ports that the machine names."""
        server = await self._servers.require(machine.id)
        server = await self._servers.wait(server, has_been_built, f"server {server['id']}")
        if not _was_launched(server):
            raise DriverError(f"Machine {machine.id} has never run{reason_of(server)}", retryable=False)
        await self._start(server, machine)

    async def ensure_stopped_machine(self, machine_id: str) -> None:
        """Stop a server."""
        await self._servers.bring_to(await self._servers.require(machine_id), Status.SHUTOFF)

    async def ensure_suspended_machine(self, machine_id: str) -> None:
        """Suspend a server to its host's disk."""
        await self._servers.bring_to(await self._servers.require(machine_id), Status.SUSPENDED)

    async def ensure_restarted_machine(self, machine: MachineSpec, request_id: str, *, hard: bool) -> None:
        """Restart a server once for a request. A crash before the request is noted can restart it again."""
        server = await self._servers.wait_until_idle(await self._servers.require(machine.id))
        noted = server["metadata"]
        if noted.get(REQUEST) == request_id:
            return
        if server["status"] == Status.ACTIVE and noted.get(START) != request_id:
            await self._servers.act(server, HARD_REBOOT if hard else SOFT_REBOOT)
            await self._note(server, REQUEST, request_id)
            await self._servers.bring_to(server, Status.ACTIVE)
            return
        if server["status"] in NOTING_STATUSES:
            # A start can take several calls. The last one finds a server that runs, and must not restart it.
            await self._note(server, START, request_id)
        await self.ensure_started_machine(machine)
        await self._note(server, REQUEST, request_id)

    async def ensure_rebuilt_machine(self, machine: MachineSpec, request_id: str) -> None:
        """Install the image of a bare metal server again, once for a request."""
        server = await self._servers.wait_until_idle(await self._servers.require(machine.id))
        if server["metadata"].get(REQUEST) == request_id:
            return
        image_id = await self._names.require_image_id(machine.image_id or "")
        order = {"imageRef": image_id, "metadata": server["metadata"] | {REQUEST: request_id}}
        await self._servers.act(server, {"rebuild": order})
        await self._servers.bring_to(server, Status.ACTIVE)

    async def ensure_machine_size(self, machine: MachineSpec) -> None:
        """Resize a server, which may move it to another host. It keeps its status."""
        server = await self._confirm(await self._servers.require(machine.id))
        if server["flavor"]["original_name"] == machine.flavor_id:
            return
        before = server["status"]
        if before not in {Status.ACTIVE, Status.SHUTOFF}:
            server, before = await self._servers.bring_to(server, Status.ACTIVE), Status.ACTIVE
        await self._names.use_flavor(machine.flavor_id, partial(self._resize, server))
        server = await self._confirm(server)
        if server["flavor"]["original_name"] != machine.flavor_id:
            raise DriverError(f"OpenStack has not resized the server{reason_of(server)}", retryable=False)
        await self._servers.bring_to(server, before)

    async def ensure_no_machine(self, machine_id: str) -> None:
        """Delete a server, its ports and its key; its volumes stay."""
        server = await self._servers.find(machine_id)
        if server is None:
            await self._servers.check_cells()
        else:
            await self._delete(server)
        await self._devices.delete_ports(machine_id)
        await self._delete_key(machine_id)

    async def observe(self) -> AsyncIterator[ObservedMachine]:
        """Yield the state of each machine."""
        async for server in self._list_servers():
            if (machine_id := machine_id_of(server)) is not None:
                yield _observed_machine(server, machine_id)

    async def list_missing_machines(self, machine_ids: Sequence[str]) -> Sequence[str]:
        """Return those of the machines that have no server."""
        if not machine_ids:
            return []
        existing = {machine_id_of(server) async for server in self._list_servers()}
        missing = [machine_id for machine_id in machine_ids if machine_id not in existing]
        if missing:
            await self._servers.check_cells()
        return missing

    async def _list_servers(self) -> AsyncIterator[Json]:
        marker: dict[str, str] = {}
        while True:
            page = await self._cloud.get("compute", "/servers/detail", tags=MACHINE_TAG, **marker)
            for server in page["servers"]:
                yield server
            if not page.get("servers_links"):
                return
            marker = {"marker": page["servers"][-1]["id"]}

    async def _create(self, machine: MachineSpec) -> Json:
        """Begin to create a server. The ports come first: two creations cannot have the same port."""
        image_id = await self._devices.own_image_id(machine)
        volumes = await self._devices.require_bootable_volumes(machine, has_own_disk=image_id is not None)
        ports = [await self._devices.ensure_port(nic, machine.id) for nic in machine.nics]
        if machine.ssh_public_key:
            await self._ensure_key(engine_name(machine.id), machine.ssh_public_key)
        make_order = partial(
            make_server_order, machine, image_id=image_id, engine_volume_ids=volumes, engine_port_ids=ports
        )
        return await self._names.use_flavor(machine.flavor_id, lambda id_: self._post(make_order(flavor_id=id_)))

    async def _post(self, order: Json) -> Json:
        server: Json = (await self._cloud.post("compute", "/servers", order))["server"]
        return server

    async def _resize(self, server: Json, flavor_id: str) -> None:
        await self._servers.act(server, {"resize": {"flavorRef": flavor_id}})

    async def _require_launched(self, server: Json) -> Json:
        """Wait until a server is built. One that has failed is deleted: the next try builds another."""
        built = await self._servers.wait_unless_gone(server, has_been_built, f"server {server['id']}")
        if built is not None and _was_launched(built):
            return built
        if built is not None:
            await self._delete(built)
        await self._cloud.require_services()
        failed = built or {}
        raise DriverError(f"OpenStack cannot create the server{reason_of(failed)}", retryable=_is_temporary(failed))

    async def _start(self, server: Json, machine: MachineSpec) -> None:
        if server["status"] == Status.SHUTOFF:
            await self._devices.attach_only_named(server, machine)
        await self._servers.bring_to(server, Status.ACTIVE)

    async def _ensure_key(self, name: str, public_key: str) -> None:
        try:
            await self._cloud.post("compute", "/os-keypairs", {"keypair": {"name": name, "public_key": public_key}})
        except OpenstackError as error:
            if error.status_code != CONFLICT:
                raise

    async def _delete_key(self, machine_id: str) -> None:
        await self._cloud.delete("compute", f"/os-keypairs/{engine_name(machine_id)}")

    async def _confirm(self, server: Json) -> Json:
        """Wait until a server is idle, and confirm its resize."""
        server = await self._servers.wait_until_idle(server)
        if server["status"] != Status.VERIFY_RESIZE:
            return server
        await self._servers.act(server, CONFIRM_RESIZE)
        return await self._servers.wait(server, _is_confirmed, f"the resize of server {server['id']}")

    async def _delete(self, server: Json) -> None:
        await self._cloud.delete("compute", f"/servers/{server['id']}")
        await self._servers.wait_until_gone(server)

    async def _note(self, server: Json, key: str, request_id: str) -> None:
        await self._cloud.post("compute", f"/servers/{server['id']}/metadata", {"metadata": {key: request_id}})


def has_been_built(server: Json) -> bool:
    """Return whether nobody builds a server any more: its host may have died meanwhile."""
    if server["status"] == Status.BUILD:
        return server.get("host_status") in LOST_HOST_STATUSES
    return is_idle(server)


def _was_launched(server: Json) -> bool:
    is_built = server["status"] not in {Status.ERROR, Status.BUILD}
    return server.get("OS-SRV-USG:launched_at") is not None or is_built


def _is_temporary(server: Json) -> bool:
    """Return whether the next try to build a server may succeed: hosts may have failed, but not the choice of one."""
    return NO_HOST not in reason_of(server)


def _is_confirmed(server: Json) -> bool:
    return server["status"] != Status.VERIFY_RESIZE and is_idle(server)


def _observed_machine(server: Json, machine_id: str) -> ObservedMachine:
    status = server["status"] if server["status"] in ENGINE_STATUSES else Status.UNKNOWN
    reason = (server.get("fault") or {}).get("message") if status == Status.ERROR else None
    return ObservedMachine(machine_id=machine_id, status=status, reason=reason)
