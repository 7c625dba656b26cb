"""The state file of the driver: one SQLite file that all processes of the server share."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from pileus.drivers.protocols.network import NicSpec
from pileus.drivers.qemu.network_state import NetworkState

Spec = TypeVar("Spec")


class QemuStateFile(NetworkState):
    """The tables of the driver behind one connection, `db`, which all parts of the driver share.

    `apply_network` is awaited after every change of the network.
    """

    SCHEMA = """
    CREATE TABLE IF NOT EXISTS machines (id TEXT PRIMARY KEY, known TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS slots (
        machine_id TEXT NOT NULL, slot INTEGER NOT NULL, device TEXT NOT NULL UNIQUE, PRIMARY KEY (machine_id, slot)
    );
    CREATE TABLE IF NOT EXISTS volumes (
        id TEXT PRIMARY KEY, type_name TEXT NOT NULL, base TEXT, machine_id TEXT,
        boot_index INTEGER NOT NULL DEFAULT -1, reverted_for TEXT
    );
    CREATE TABLE IF NOT EXISTS snapshots (id TEXT PRIMARY KEY, volume_id TEXT NOT NULL, base TEXT);
    CREATE TABLE IF NOT EXISTS images (
        id TEXT PRIMARY KEY, size INTEGER NOT NULL, virtual_size INTEGER NOT NULL, disk_format TEXT NOT NULL,
        checksum TEXT
    );
    CREATE TABLE IF NOT EXISTS dropped_images (base TEXT PRIMARY KEY);
    CREATE TABLE IF NOT EXISTS reserved_bases (copy_id TEXT PRIMARY KEY, base TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS client_users (client_id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL UNIQUE);
    CREATE TABLE IF NOT EXISTS file_clients (id TEXT PRIMARY KEY, client_id INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS load_balancers (id TEXT PRIMARY KEY, known TEXT NOT NULL, traffic TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS file_shares (id TEXT PRIMARY KEY, known TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS wirings (revision INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS samples (
        machine_id TEXT NOT NULL, time INTEGER NOT NULL, sample TEXT NOT NULL, PRIMARY KEY (machine_id, time)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS samples_by_time ON samples (time);
    """

    def __init__(self, file: Path, apply_network: Callable[[], Awaitable[object]]) -> None:
        # The files beside it get its mode when they are created.
        file.touch(mode=0o600)
        super().__init__(file)
        file.chmod(0o600)
        self.db = self._db
        self._apply_network = apply_network

    def save_nic(self, machine_id: str, nic: NicSpec) -> None:
        """Insert or replace a machine's interface, without applying the network."""
        self._put("nics", nic.port_id, machine_id, nic)

    def find_nic_machine_id(self, port_id: str) -> str | None:
        """Return the machine that an interface is attached to."""
        row = self.db.execute("SELECT parent FROM nics WHERE id = ?", (port_id,)).fetchone()
        return row and str(row[0])

    def delete_nics(self, machine_id: str) -> None:
        """Delete all interfaces of a machine, without applying the network."""
        self.db.execute("DELETE FROM nics WHERE parent = ?", (machine_id,))

    def machine_nics(self, machine_id: str) -> list[NicSpec]:
        """Return the interfaces of a machine."""
        rows = self.db.execute("SELECT facts FROM nics WHERE parent = ?", (machine_id,)).fetchall()
        return [msgspec.json.decode(facts, type=NicSpec) for (facts,) in rows]

    def all_nics_with_machine_ids(self) -> list[tuple[str, NicSpec]]:
        """Return every interface with the id of its machine."""
        rows = self.db.execute("SELECT parent, facts FROM nics ORDER BY id").fetchall()
        return [(machine_id, msgspec.json.decode(facts, type=NicSpec)) for machine_id, facts in rows]

    def router_nics(self, router_id: str) -> list[NicSpec]:
        """Return the interfaces of a router."""
        rows = self.db.execute("SELECT facts FROM router_ports WHERE parent = ?", (router_id,)).fetchall()
        return [msgspec.json.decode(facts, type=NicSpec) for (facts,) in rows]

    def load_all_specs(self, table: str, spec_type: type[Spec]) -> list[Spec]:
        """Return all specifications in a table of the network."""
        rows = self.db.execute(f"SELECT facts FROM {table} ORDER BY id").fetchall()  # noqa: S608  # a fixed name
        return [msgspec.json.decode(facts, type=spec_type) for (facts,) in rows]

    @contextmanager
    def read_network_revision(self) -> Iterator[int]:
        """Lock the file while the network is read; yield the revision of this read, higher than all before."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            (last,) = self.db.execute("SELECT coalesce(max(revision), 0) FROM wirings").fetchone()
            self.db.execute("DELETE FROM wirings")
            self.db.execute("INSERT INTO wirings VALUES (?)", (last + 1,))
            yield last + 1
        finally:
            self.db.execute("COMMIT")

    async def _on_network_change(self) -> None:
        await self._apply_network()
