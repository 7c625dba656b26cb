"""The desired network: networks, routers, interfaces, security groups and floating IPs, kept in a state file."""

from contextlib import ExitStack

import msgspec
from msgspec import Struct

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import (
    FloatingIPSpec,
    NetworkSpec,
    NicSpec,
    RouterSpec,
    SecurityGroupSpec,
    SubnetSpec,
)
from pileus.drivers.state_file import StateFile

TABLES = ("nics", "networks", "subnets", "routers", "router_ports", "security_groups", "floating_ips")


class NetworkState(StateFile):
    """Records the network; fulfils the Protocols of `drivers/protocols/network.py` but DDoS protection.

    Subclasses act on changes in `_on_network_change`.
    """

    SCHEMA = "".join(
        f"CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY, parent TEXT, facts TEXT NOT NULL);"
        for table in TABLES
    )

    async def ensure_interface(self, machine_id: str, nic: NicSpec) -> None:
        """Attach an interface to a machine, or update it."""
        await self._save("nics", nic.port_id, machine_id, nic)

    async def ensure_no_interface(self, machine_id: str, port_id: str) -> None:
        """Detach an interface from a machine."""
        await self._delete("nics", port_id, machine_id)

    async def ensure_network(self, network: NetworkSpec) -> None:
        """Create or update a network."""
        await self._save("networks", network.id, None, network)

    async def ensure_no_network(self, network_id: str) -> None:
        """Delete a network and its subnets."""
        self._db.execute("DELETE FROM subnets WHERE parent = ?", (network_id,))
        await self._delete("networks", network_id)

    async def ensure_subnet(self, subnet: SubnetSpec) -> None:
        """Create or update a subnet. Raises DriverError without its network."""
        self._require("networks", subnet.network_id)
        await self._save("subnets", subnet.id, subnet.network_id, subnet)

    async def ensure_no_subnet(self, subnet_id: str) -> None:
        """Delete a subnet."""
        await self._delete("subnets", subnet_id)

    async def ensure_router(self, router: RouterSpec) -> None:
        """Create or update a router."""
        await self._save("routers", router.id, None, router)

    async def ensure_no_router(self, router_id: str) -> None:
        """Delete a router and its interfaces."""
        self._db.execute("DELETE FROM router_ports WHERE parent = ?", (router_id,))
        await self._delete("routers", router_id)

    async def ensure_router_interface(self, router_id: str, nic: NicSpec) -> None:
        """Add an interface to a router, or update it. Raises DriverError without the router."""
        self._require("routers", router_id)
        await self._save("router_ports", nic.port_id, router_id, nic)

    async def ensure_no_router_interface(self, router_id: str, port_id: str) -> None:
        """Remove an interface from a router."""
        await self._delete("router_ports", port_id, router_id)

    async def ensure_security_group(self, group: SecurityGroupSpec) -> None:
        """Create or update a security group."""
        await self._save("security_groups", group.id, None, group)

    async def ensure_no_security_group(self, group_id: str) -> None:
        """Delete a security group."""
        await self._delete("security_groups", group_id)

    async def ensure_floating_ip(self, floating_ip: FloatingIPSpec) -> None:
        """Forward a floating IP to a port."""
        await self._save("floating_ips", floating_ip.id, floating_ip.port_id, floating_ip)

    async def ensure_no_floating_ip(self, floating_ip_id: str) -> None:
        """Stop forwarding a floating IP."""
        await self._delete("floating_ips", floating_ip_id)

    async def _save(self, table: str, record_id: str, parent: str | None, spec: Struct) -> None:
        """Save a record and apply the change, unless it is recorded already. What cannot be applied is not saved."""
        previous = self._db.execute(f"SELECT parent, facts FROM {table} WHERE id = ?", (record_id,)).fetchone()
        saved = (parent, msgspec.json.encode(spec).decode())
        if previous == saved:
            return
        self._put(table, record_id, parent, spec)
        # Whatever ends it, a cancellation too, a repetition must not find the change as if it were applied.
        with ExitStack() as failed:
            failed.callback(self._restore, table, record_id, previous, saved)
            await self._on_network_change()
            failed.pop_all()

    def _put(self, table: str, record_id: str, parent: str | None, spec: Struct) -> None:
        """Insert or replace a record."""
        facts = msgspec.json.encode(spec).decode()
        self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", (record_id, parent, facts))

    def _restore(
        self, table: str, record_id: str, previous: tuple[str | None, str] | None, saved: tuple[str | None, str]
    ) -> None:
        """Restore a record as it was, or delete it if there was none, unless another change was saved meanwhile."""
        unchanged = "WHERE id = ? AND parent IS ? AND facts = ?"
        if previous is None:
            self._db.execute(f"DELETE FROM {table} {unchanged}", (record_id, *saved))
        else:
            self._db.execute(f"UPDATE {table} SET parent = ?, facts = ? {unchanged}", (*previous, record_id, *saved))

    async def _delete(self, table: str, record_id: str, parent: str | None = None) -> None:
        """Delete a record, if it belongs to the parent."""
        self._db.execute(
            f"DELETE FROM {table} WHERE id = ? AND coalesce(?, parent, '') = coalesce(parent, '')", (record_id, parent)
        )
        await self._on_network_change()

    async def _on_network_change(self) -> None:
        """Apply the recorded network; subclasses do this."""

    def _require(self, table: str, record_id: str) -> None:
        if self._db.execute(f"SELECT 1 FROM {table} WHERE id = ?", (record_id,)).fetchone() is None:
            raise DriverError(f"{table[:-1].capitalize()} {record_id} does not exist", retryable=False)
