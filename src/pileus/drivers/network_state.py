"""How machines are wired, as it was last told: networks, routers, interfaces, security groups, floating IPs."""

import msgspec
from msgspec import Struct

from pileus.drivers.protocols.compute import (
    DriverError,
    FloatingIPSpec,
    NetworkSpec,
    Nic,
    RouterSpec,
    SecurityGroupSpec,
    SubnetSpec,
)
from pileus.drivers.state_file import StateFile

TABLES = ("nics", "networks", "subnets", "routers", "router_ports", "security_groups", "floating_ips")


class NetworkState(StateFile):
    """The part that keeps it: Interfaces, Networks, Routers, FloatingIPs and SecurityGroups."""

    SCHEMA = "".join(
        f"CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY, parent TEXT, facts TEXT NOT NULL);"
        for table in TABLES
    )

    async def ensure_interface(self, machine_id: str, nic: Nic) -> None:
        """Give a machine an interface, or change it."""
        await self._let("nics", nic.port_id, machine_id, nic, "plug")

    async def ensure_no_interface(self, machine_id: str, port_id: str) -> None:
        """Take an interface from a machine."""
        await self._drop("nics", port_id, machine_id)

    async def ensure_network(self, network: NetworkSpec) -> None:
        """Make a network, or change it."""
        await self._let("networks", network.id, None, network, "network")

    async def ensure_no_network(self, network_id: str) -> None:
        """Remove a network with its subnets."""
        self._db.execute("DELETE FROM subnets WHERE parent = ?", (network_id,))
        await self._drop("networks", network_id)

    async def ensure_subnet(self, subnet: SubnetSpec) -> None:
        """Make a subnet, or change it."""
        self._must("networks", subnet.network_id)
        await self._let("subnets", subnet.id, subnet.network_id, subnet, "subnet")

    async def ensure_no_subnet(self, subnet_id: str) -> None:
        """Remove a subnet."""
        await self._drop("subnets", subnet_id)

    async def ensure_router(self, router: RouterSpec) -> None:
        """Make a router, or change it."""
        await self._let("routers", router.id, None, router, "router")

    async def ensure_no_router(self, router_id: str) -> None:
        """Remove a router with its interfaces."""
        self._db.execute("DELETE FROM router_ports WHERE parent = ?", (router_id,))
        await self._drop("routers", router_id)

    async def ensure_router_interface(self, router_id: str, nic: Nic) -> None:
        """Give a router an interface."""
        self._must("routers", router_id)
        await self._let("router_ports", nic.port_id, router_id, nic, "join")

    async def ensure_no_router_interface(self, router_id: str, port_id: str) -> None:
        """Take an interface from a router."""
        await self._drop("router_ports", port_id, router_id)

    async def ensure_security_group(self, group: SecurityGroupSpec) -> None:
        """Make a security group, or change it."""
        await self._let("security_groups", group.id, None, group, "security_group")

    async def ensure_no_security_group(self, group_id: str) -> None:
        """Remove a security group."""
        await self._drop("security_groups", group_id)

    async def ensure_floating_ip(self, floating_ip: FloatingIPSpec) -> None:
        """Let a floating IP lead to a port."""
        await self._let("floating_ips", floating_ip.id, floating_ip.port_id, floating_ip, "lead")

    async def ensure_no_floating_ip(self, floating_ip_id: str) -> None:
        """Let a floating IP lead nowhere."""
        await self._drop("floating_ips", floating_ip_id)

    def security_group(self, group_id: str) -> SecurityGroupSpec | None:
        """A security group as it was last told of; None without it."""
        row = self._db.execute("SELECT facts FROM security_groups WHERE id = ?", (group_id,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=SecurityGroupSpec)

    def nic(self, port_id: str) -> Nic | None:
        """An interface of a machine, as it was last told of; None without it."""
        row = self._db.execute("SELECT facts FROM nics WHERE id = ?", (port_id,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=Nic)

    def floating_ip(self, floating_ip_id: str) -> FloatingIPSpec | None:
        """Where a floating IP leads, or None."""
        row = self._db.execute("SELECT facts FROM floating_ips WHERE id = ?", (floating_ip_id,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=FloatingIPSpec)

    def network(self, network_id: str) -> tuple[NetworkSpec, dict[str, SubnetSpec]] | None:
        """A network and its subnets, as they were last told of; None without it."""
        row = self._db.execute("SELECT facts FROM networks WHERE id = ?", (network_id,)).fetchone()
        rows = self._db.execute("SELECT id, facts FROM subnets WHERE parent = ?", (network_id,)).fetchall()
        subnets = {subnet_id: msgspec.json.decode(facts, type=SubnetSpec) for subnet_id, facts in rows}
        return None if row is None else (msgspec.json.decode(row[0], type=NetworkSpec), subnets)

    def router(self, router_id: str) -> tuple[RouterSpec, dict[str, Nic]] | None:
        """A router and its interfaces, as they were last told of; None without it."""
        row = self._db.execute("SELECT facts FROM routers WHERE id = ?", (router_id,)).fetchone()
        rows = self._db.execute("SELECT id, facts FROM router_ports WHERE parent = ?", (router_id,)).fetchall()
        nics = {port_id: msgspec.json.decode(facts, type=Nic) for port_id, facts in rows}
        return None if row is None else (msgspec.json.decode(row[0], type=RouterSpec), nics)

    async def _let(self, table: str, identity: str, parent: str | None, thing: Struct, what: str) -> None:
        """Let a thing be as it is told; it takes its time if it was not so."""
        row = self._db.execute(f"SELECT facts FROM {table} WHERE id = ?", (identity,)).fetchone()  # noqa: S608
        if row is None or row[0] != msgspec.json.encode(thing).decode():
            await self._take(what)
            self._put(table, identity, parent, thing)
            await self._rewired()

    def _put(self, table: str, identity: str, parent: str | None, thing: Struct) -> None:
        """Write down how a thing is to be."""
        facts = msgspec.json.encode(thing).decode()
        self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", (identity, parent, facts))  # noqa: S608

    async def _drop(self, table: str, identity: str, parent: str | None = None) -> None:
        """Forget a thing, if it belongs to that parent."""
        self._db.execute(
            f"DELETE FROM {table} WHERE id = ? AND coalesce(?, parent, '') = coalesce(parent, '')",  # noqa: S608
            (identity, parent),
        )
        await self._rewired()

    async def _take(self, what: str) -> None:
        """Let a change take its time: none, but where that is played."""

    async def _rewired(self) -> None:
        """Let what carries the traffic know that something has changed: nothing does, but where there is traffic."""

    def _must(self, table: str, identity: str) -> None:
        if self._db.execute(f"SELECT 1 FROM {table} WHERE id = ?", (identity,)).fetchone() is None:  # noqa: S608
            raise DriverError(f"{table[:-1].capitalize()} {identity} does not exist", retryable=False)
