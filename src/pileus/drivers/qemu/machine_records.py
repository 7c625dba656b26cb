"""Records of machines in the state file: their intended state, process and device slots."""

from collections.abc import Collection

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pileus.drivers.protocols.compute import MachineSpec
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.qemu.arguments import SLOTS
from pileus.drivers.qemu.state import QemuStateFile

RUNNING, SUSPENDED, STOPPED = "running", "suspended", "stopped"
"""The intended states of a machine."""


class MachineRecord(Struct, frozen=True, kw_only=True):
    """A machine, its intended state (`intent`), and the process that was last started for it.

    `started` is the start time of the process `pid`, which tells it from a later one with the same number. `user_id`
    is the user of the process, if it is that of the client.
    """

    machine: MachineSpec
    intent: str
    pid: int | None = None
    started: str | None = None
    host_boot: str | None = None
    restarted_for: str | None = None
    reason: str | None = None
    user_id: int | None = None


class MachineRecords:
    """The records of all machines."""

    def __init__(self, state: QemuStateFile) -> None:
        self._db = state.db

    def find(self, machine_id: str) -> MachineRecord | None:
        """Return a record, or None."""
        row = self._db.execute("SELECT known FROM machines WHERE id = ?", (machine_id,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=MachineRecord)

    def get(self, machine_id: str) -> MachineRecord:
        """Return a record. Raises DriverError if there is none."""
        record = self.find(machine_id)
        if record is None:
            raise DriverError(f"Machine {machine_id} does not exist", retryable=False)
        return record

    def by_id(self) -> dict[str, MachineRecord]:
        """Return all records."""
        rows = self._db.execute("SELECT id, known FROM machines ORDER BY id").fetchall()
        return {machine_id: msgspec.json.decode(text, type=MachineRecord) for machine_id, text in rows}

    def save(self, record: MachineRecord) -> None:
        """Insert or update a record, without the password: only its hash is stored, in the seed disk."""
        boot = replace(record.machine.boot, password=None)
        text = msgspec.json.encode(replace(record, machine=replace(record.machine, boot=boot))).decode()
        self._db.execute(
            "INSERT INTO machines VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET known = excluded.known",
            (record.machine.id, text),
        )

    def delete(self, machine_id: str) -> None:
        """Delete a record and free the device slots of the machine."""
        self._db.execute("DELETE FROM slots WHERE machine_id = ?", (machine_id,))
        self._db.execute("DELETE FROM machines WHERE id = ?", (machine_id,))


class DeviceSlots:
    """The PCI slot of each hot-pluggable device, which stays the same while the device is attached."""

    def __init__(self, state: QemuStateFile) -> None:
        self._db = state.db

    def has_slot(self, machine_id: str, device_id: str) -> bool:
        """Return whether a device has a slot of a machine: only then can the machine have the device."""
        return self._find(machine_id, device_id) is not None

    def assign(self, machine_id: str, device_id: str) -> int:
        """Return the slot of a device, the first free one if it has none. Raises DriverError if all are in use."""
        if (slot := self._find(machine_id, device_id)) is not None:
            return slot
        rows = self._db.execute("SELECT slot FROM slots WHERE machine_id = ?", (machine_id,)).fetchall()
        free = next((slot for slot in range(1, SLOTS + 1) if (slot,) not in rows), None)
        if free is None:
            raise DriverError(
                f"Machine {machine_id} has all {SLOTS} slots in use: each disk and each interface takes one",
                retryable=False,
            )
        self._db.execute("INSERT OR REPLACE INTO slots VALUES (?, ?, ?)", (machine_id, free, device_id))
        return free

    def free(self, machine_id: str, device_id: str) -> None:
        """Free the slot of a device."""
        self._db.execute("DELETE FROM slots WHERE machine_id = ? AND device = ?", (machine_id, device_id))

    def free_all_except(self, machine_id: str, device_ids: Collection[str]) -> None:
        """Free the slots of all other devices of a machine."""
        rows = self._db.execute("SELECT device FROM slots WHERE machine_id = ?", (machine_id,)).fetchall()
        for (device_id,) in rows:
            if device_id not in device_ids:
                self.free(machine_id, device_id)

    def _find(self, machine_id: str, device_id: str) -> int | None:
        row = self._db.execute(
            "SELECT slot FROM slots WHERE machine_id = ? AND device = ?", (machine_id, device_id)
        ).fetchone()
        return row and int(row[0])
