"""How machines are wired: the fabric, a process of its own, carries their frames and is told of every change."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from pileus.domain.catalogue import Catalogue
from pileus.drivers.network_state import NetworkState
from pileus.drivers.protocols.compute import (
    DriverError,
    FloatingIPSpec,
    Machine,
    NetworkSpec,
    Nic,
    RouterSpec,
    SecurityGroupSpec,
    SubnetSpec,
)
from pileus.drivers.protocols.guests import Description, PortForward
from pileus.drivers.qemu.arguments import SLOTS, Plug, nic
from pileus.drivers.qemu.bridges import connect_bridges
from pileus.drivers.qemu.fabric import client
from pileus.drivers.qemu.fabric.state import Guest, Report, RouterState, State, Wire
from pileus.drivers.qemu.hotplug import Hotplug
from pileus.drivers.qemu.seed import host_name, user_data

Thing = TypeVar("Thing")
FABRIC = "fabric"
"""Its place among the processes that were started, which no machine's id is."""
TRIES, PAUSE = 100, 0.1
"""How often, and after how many seconds, a fabric that was just started is asked again."""


class Networks(Hotplug, NetworkState):
    """The part that keeps them: Interfaces, Networks, Routers, FloatingIPs, SecurityGroups, Describes and Reachable."""

    SCHEMA = "CREATE TABLE IF NOT EXISTS wirings (revision INTEGER NOT NULL);"

    catalogue: Catalogue
    telling: asyncio.Lock

    async def ensure_interface(self, machine_id: str, nic: Nic) -> None:
        """Give a machine an interface, or change what it may say."""
        await super().ensure_interface(machine_id, nic)
        async with self.machine_lock(machine_id):
            if self.is_running(machine_id, self.known(machine_id)):
                await self.plug(machine_id, self._card(machine_id, nic))

    async def ensure_no_interface(self, machine_id: str, port_id: str) -> None:
        """Take an interface from a machine, when the guest has let go of it."""
        found = self.nic(port_id)
        if found is None:
            return
        async with self.machine_lock(machine_id):
            plug = self._card(machine_id, found)
            if self.is_running(machine_id, self.known(machine_id)):
                await self.unplug(machine_id, plug)
            self.free_slot(plug.id)
        await super().ensure_no_interface(machine_id, port_id)

    async def described(self) -> Mapping[str, Description]:
        """The names and tags that machines are told."""
        return {
            machine_id: Description(name=known.machine.name, tags=known.machine.tags)
            for machine_id, known in self.every().items()
        }

    async def ensure_metadata(self, machine_id: str, description: Description) -> None:
        """Let the metadata service tell a machine its name and tags."""
        known = self.known(machine_id)
        if known is None:
            return
        machine = replace(known.machine, name=description.name, tags=description.tags)
        if machine != known.machine:
            self.remember(replace(known, machine=machine))
            await self._rewired()

    async def port_forwards(self, machine_id: str) -> list[PortForward]:
        """The ports of the host that lead to a machine."""
        return [each.way for each in (await self.report()).forwards if each.machine_id == machine_id]

    async def report(self) -> Report:
        """What the fabric tells of itself; it is started if it does not run. Raises DriverError."""
        try:
            return await client.report(self.home.net)
        except client.FabricGone:
            return await self._tell()

    async def wired(self, machine: Machine) -> list[Plug]:
        """The interfaces that a machine starts with: those it is described with, and those that it was given since."""
        for each in machine.nics:
            self._put("nics", each.port_id, machine.id, each)
        await self._rewired()
        rows = self._db.execute("SELECT facts FROM nics WHERE parent = ?", (machine.id,)).fetchall()
        return [self._card(machine.id, msgspec.json.decode(facts, type=Nic)) for (facts,) in rows]

    async def forget_nics(self, machine_id: str) -> None:
        """Take all interfaces from a machine that is no more."""
        self._db.execute("DELETE FROM nics WHERE parent = ?", (machine_id,))
        await self._rewired()

    def subnets(self) -> list[SubnetSpec]:
        """Every subnet, those of the operator's external networks too."""
        return [*self._all("subnets", SubnetSpec), *self._external[1]]

    def seeded_subnets(self) -> list[SubnetSpec]:
        """Every subnet as machines are told of it: by IPv6, only a bridge leads out of a network."""
        bridged = {each.id for each in self._external[0] if each.name in self.hosting.bridges}
        return [
            replace(each, gateway_ip=None)
            if ":" in (each.gateway_ip or "") and each.network_id not in bridged
            else each
            for each in self.subnets()
        ]

    @cached_property
    def _external(self) -> tuple[list[NetworkSpec], list[SubnetSpec]]:
        """The operator's networks and their subnets: the same for as long as the server runs."""
        regions = self.catalogue.regions
        found = [each for region in regions for each in self.catalogue.network_records(region.id, 0)]
        ranges = [SubnetSpec.of(subnet) for _, subnets in found for subnet in subnets]
        return [NetworkSpec.of(network) for network, _ in found], ranges

    def _card(self, machine_id: str, found: Nic) -> Plug:
        device = nic(found.port_id, found.mac_address, 0).id
        return nic(found.port_id, found.mac_address, self.slot(machine_id, device, SLOTS))

    async def _rewired(self) -> None:
        await self._tell()

    async def _tell(self) -> Report:
        """Tell the fabric how all is wired; a later telling wins, whoever comes first."""
        async with self.telling:
            state = self._wiring_now()
            with suppress(client.FabricGone):
                return await client.apply_state(self.home.net, state)
            if (child := self.children.get(FABRIC)) is not None:
                child.kill()
            self.track_process(FABRIC, client.start(self.home.net, self.home.ids()))
            return await self._told_when_up(state)

    async def _told_when_up(self, state: State) -> Report:
        for _ in range(TRIES):
            await asyncio.sleep(PAUSE)
            with suppress(client.FabricGone):
                return await client.apply_state(self.home.net, state)
        raise DriverError(f"The network does not come up: see {self.home.net / 'fabric.log'}", retryable=True)

    def _wiring_now(self) -> State:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            (last,) = self._db.execute("SELECT coalesce(max(revision), 0) FROM wirings").fetchone()
            self._db.execute("DELETE FROM wirings")
            self._db.execute("INSERT INTO wirings VALUES (?)", (last + 1,))
            state = self._wiring(last + 1)
        finally:
            self._db.execute("COMMIT")
        return state

    def _wiring(self, revision: int) -> State:
        nics = self._db.execute("SELECT parent, facts FROM nics ORDER BY id").fetchall()
        external = self._external[0]
        return State(
            revision=revision,
            wires=[Wire(machine_id=parent, nic=msgspec.json.decode(facts, type=Nic)) for parent, facts in nics],
            networks=[*self._all("networks", NetworkSpec), *external],
            subnets=self.subnets(),
            routers=[self._joined(router) for router in self._all("routers", RouterSpec)],
            security_groups=self._all("security_groups", SecurityGroupSpec),
            floating_ips=self._all("floating_ips", FloatingIPSpec),
            guests=[_guest(known.machine) for known in self.every().values()],
            outside=[segment.id for segment in external],
            bridges=connect_bridges(self.hosting.bridges, external, self.home),
        )

    def _joined(self, router: RouterSpec) -> RouterState:
        rows = self._db.execute("SELECT facts FROM router_ports WHERE parent = ?", (router.id,)).fetchall()
        return RouterState(router=router, nics=[msgspec.json.decode(facts, type=Nic) for (facts,) in rows])

    def _all(self, table: str, kind: type[Thing]) -> list[Thing]:
        rows = self._db.execute(f"SELECT facts FROM {table} ORDER BY id").fetchall()  # noqa: S608
        return [msgspec.json.decode(facts, type=kind) for (facts,) in rows]


def _guest(machine: Machine) -> Guest:
    own = user_data(machine) if machine.boot.user_data else None
    return Guest(
        machine_id=machine.id,
        name=machine.name,
        host_name=host_name(machine.name),
        tags=machine.tags,
        ssh_public_key=machine.ssh_public_key,
        user_data=own.decode("utf-8", "replace") if own else None,
    )
