"""What all parts of the driver stand on: what is known of machines, which of them live, and whose turn it is."""

import os
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from subprocess import Popen

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from pileus.drivers.protocols.compute import DriverError, Hosting, Machine
from pileus.drivers.protocols.guests import Capacity
from pileus.drivers.qemu.monitor import Monitor, conversation
from pileus.drivers.qemu.paths import DataDirectory, locked, wait_for_lock
from pileus.drivers.qemu.programs import Programs
from pileus.drivers.qemu.qemu_img import QemuImg
from pileus.drivers.state_file import StateFile

MIB = 1 << 20
RUNNING, SUSPENDED, STOPPED = "running", "suspended", "stopped"
"""What a machine is meant to be."""
SOON = 0.05
"""Seconds until something is looked at again that may have changed."""
HOST_BOOT = Path("/proc/sys/kernel/random/boot_id")
START = 19
"""Where in the fields of /proc/PID/stat that follow the name the moment of the process's start is."""


class MachineRecord(Struct, frozen=True, kw_only=True):
    """A machine as it is to be (`intent`), and its process as it was started."""

    machine: Machine
    intent: str
    pid: int | None = None
    started: str | None = None
    host_boot: str | None = None
    restarted_for: str | None = None
    reason: str | None = None


class Host(StateFile):
    """The file of facts, the directories and the programs."""

    SCHEMA = """
    CREATE TABLE IF NOT EXISTS machines (id TEXT PRIMARY KEY, known TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS slots (
        machine_id TEXT NOT NULL, slot INTEGER NOT NULL, device TEXT NOT NULL UNIQUE, PRIMARY KEY (machine_id, slot)
    );
    """

    def __init__(self, home: DataDirectory, programs: Programs, hosting: Hosting) -> None:
        home.prepare()
        super().__init__(home.folder / "facts.db")
        (home.folder / "facts.db").chmod(0o600)
        self.home, self.programs, self.hosting = home, programs, hosting
        self.qemu_img = QemuImg(programs, home)
        self.children: dict[str, Popen[bytes]] = {}

    def capacity(self) -> Capacity:
        """The host's cores and memory, as often as they may be promised."""
        ram = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // MIB
        cores = len(os.sched_getaffinity(0))
        return Capacity(vcpus=int(cores * self.hosting.cpu_ratio), ram=int(ram * self.hosting.ram_ratio))

    def has_room(self, machine: Machine) -> None:
        """Look whether the host can run a machine beside those that run; raises DriverError."""
        every, room = self.every().items(), self.capacity()
        others = [each.machine for identity, each in every if identity != machine.id and each.intent != STOPPED]
        vcpus = sum(other.vcpus for other in others) + machine.vcpus
        ram = sum(other.ram for other in others) + machine.ram
        if vcpus > room.vcpus or ram > room.ram:
            used = f"{vcpus} vCPUs and {ram} MiB would be in use, of {room.vcpus} and {room.ram}"
            raise DriverError(f"The host has no capacity left: {used}", retryable=False)

    def known(self, machine_id: str) -> MachineRecord | None:
        """What is known of a machine."""
        row = self._db.execute("SELECT known FROM machines WHERE id = ?", (machine_id,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=MachineRecord)

    def existing(self, machine_id: str) -> MachineRecord:
        """What is known of a machine; raises DriverError if there is none."""
        known = self.known(machine_id)
        if known is None:
            raise DriverError(f"Machine {machine_id} does not exist", retryable=False)
        return known

    def every(self) -> dict[str, MachineRecord]:
        """All machines, by their ids."""
        rows = self._db.execute("SELECT id, known FROM machines ORDER BY id").fetchall()
        return {machine_id: msgspec.json.decode(known, type=MachineRecord) for machine_id, known in rows}

    def remember(self, known: MachineRecord) -> MachineRecord:
        """Write down what is known of a machine, but for its password, which only its seed has to know, as a hash."""
        boot = replace(known.machine.boot, password=None)
        known = replace(known, machine=replace(known.machine, boot=boot))
        text = msgspec.json.encode(known).decode()
        self._db.execute(
            "INSERT INTO machines VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET known = excluded.known",
            (known.machine.id, text),
        )
        return known

    def is_running(self, machine_id: str, known: MachineRecord | None) -> bool:
        """Whether a machine's process is there: that very one, not another that has its number by now."""
        if known is None or known.pid is None:
            return False
        child = self.children.get(machine_id)
        if child is not None and child.pid == known.pid:
            # Its first thread may be gone while others are still on their way out: only the parent knows.
            return child.poll() is None
        fields = stat(known.pid)
        return fields is not None and fields[0] != "Z" and fields[START] == known.started

    def monitor(self, machine_id: str) -> AbstractAsyncContextManager[Monitor]:
        """Talk to a machine; raises Silent."""
        return conversation(self.home.machine(machine_id))

    def machine_lock(self, machine_id: str) -> AbstractAsyncContextManager[None]:
        """Be the only one, in all processes, who changes a machine."""
        return wait_for_lock(self.home.machine(machine_id).with_suffix(".lock"), SOON)

    def free(self, machine_id: str) -> bool:
        """Whether nobody is changing a machine just now."""
        descriptor = locked(self.home.machine(machine_id).with_suffix(".lock"))
        if descriptor is None:
            return False
        os.close(descriptor)
        return True

    def slot(self, machine_id: str, device: str, most: int) -> int:
        """The slot that a device is in, or the first free one; raises DriverError if there is none."""
        with self._db:
            row = self._db.execute("SELECT slot FROM slots WHERE device = ?", (device,)).fetchone()
            if row:
                return int(row[0])
            taken = {each[0] for each in self._db.execute("SELECT slot FROM slots WHERE machine_id = ?", (machine_id,))}
            free = next((slot for slot in range(1, most + 1) if slot not in taken), None)
            if free is None:
                raise DriverError(f"Machine {machine_id} has all {most} slots in use", retryable=False)
            self._db.execute("INSERT INTO slots VALUES (?, ?, ?)", (machine_id, free, device))
            return free

    def track_process(self, machine_id: str, child: Popen[bytes]) -> None:
        """Have a process in another's place, whose end is taken note of."""
        self.untrack_process(machine_id)
        self.children[machine_id] = child

    def untrack_process(self, machine_id: str) -> None:
        """Take note of a process's end; it has been told to."""
        if (child := self.children.pop(machine_id, None)) is not None:
            child.wait()

    def free_slot(self, device: str) -> None:
        """Let another device have a slot."""
        self._db.execute("DELETE FROM slots WHERE device = ?", (device,))

    def close(self) -> None:
        """Close the file; machines run on, and are their own from now on."""
        for child in self.children.values():
            # Else Python warns of a process that nobody has waited for.
            child.returncode = child.poll() or 0
        super().close()


def started_at(pid: int) -> str | None:
    """The moment when a process was started, in the kernel's own count."""
    fields = stat(pid)
    return fields[START] if fields else None


def host_boot() -> str:
    """What tells this run of the host from its others."""
    return HOST_BOOT.read_text("ascii").strip()


def stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on: what is before may have blanks in it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
