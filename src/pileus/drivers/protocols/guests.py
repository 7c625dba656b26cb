"""Further capabilities of drivers of real machines: metadata, supervision, room, port forwards, serial logs."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from msgspec import Struct

from pileus.drivers.protocols.abilities import AbilityMeta


class MachineMetadata(Struct, frozen=True, kw_only=True):
    """The name and tags that the metadata service shows to a machine."""

    name: str
    tags: dict[str, str]


class TotalCapacity(Struct, frozen=True, kw_only=True):
    """The capacity for all machines together; `ram` in MiB."""

    vcpus: int
    ram: int


class DiskSpace(Struct, frozen=True, kw_only=True):
    """The size of the file system that holds the disks of machines, and what is free of it, in bytes."""

    total: int
    free: int


class PortForward(Struct, frozen=True, kw_only=True):
    """A forward from the host's `host_address` and `host_port` to a machine's `address` and `port`."""

    protocol: str
    address: str
    port: int
    host_address: str
    host_port: int


@runtime_checkable
class SupportsMachineMetadata(Protocol, metaclass=AbilityMeta):
    """Shows machines their names and tags while they run."""

    async def list_descriptions(self) -> Mapping[str, MachineMetadata]:
        """Return the current description of each machine, by its id."""

    async def ensure_machine_metadata(self, machine_id: str, metadata: MachineMetadata) -> None:
        """Update a machine's description; an unknown machine is ignored."""


@runtime_checkable
class SupportsWatching(Protocol, metaclass=AbilityMeta):
    """Supervises machines that change by themselves."""

    async def watch_machines(self, on_change: Callable[[], None]) -> None:
        """Supervise until cancelled, and call `on_change` after each change, in one process of a host at a time."""


@runtime_checkable
class SupportsCapacity(Protocol, metaclass=AbilityMeta):
    """Has a limited capacity."""

    def total_capacity(self) -> TotalCapacity:
        """Return the capacity, over-commitment included."""


@runtime_checkable
class SupportsDiskSpace(Protocol, metaclass=AbilityMeta):
    """Keeps the disks of machines on a file system of its own choice."""

    async def measure_disk_space(self) -> DiskSpace:
        """Measure the file system. Raises OSError."""


@runtime_checkable
class SupportsPortForwards(Protocol, metaclass=AbilityMeta):
    """Forwards ports of its host to machines that no network reaches."""

    async def port_forwards(self, machine_id: str) -> list[PortForward]:
        """Return the forwards to a machine, as its security groups allow them."""


@runtime_checkable
class SupportsSerialLogs(Protocol, metaclass=AbilityMeta):
    """Records the serial output of machines."""

    async def read_serial_log_end(self, machine_id: str, max_bytes: int) -> bytes:
        """Return at most the last `max_bytes` bytes. Raises DriverError if there is no such machine."""
