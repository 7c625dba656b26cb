"""Further capabilities of drivers of real machines: metadata, supervision, capacity, port forwards, serial logs."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from msgspec import Struct


class Description(Struct, frozen=True, kw_only=True):
    """The name and tags that the metadata service shows to a machine."""

    name: str
    tags: dict[str, str]


class Capacity(Struct, frozen=True, kw_only=True):
    """The capacity for all machines together; `ram` in MiB."""

    vcpus: int
    ram: int


class PortForward(Struct, frozen=True, kw_only=True):
    """A forward from the host's `host_address` and `host_port` to a machine's `address` and `port`."""

    protocol: str
    address: str
    port: int
    host_address: str
    host_port: int


@runtime_checkable
class MachineMetadata(Protocol):
    """Shows machines their names and tags while they run."""

    async def list_descriptions(self) -> Mapping[str, Description]:
        """Return the current description of each machine, by its id."""

    async def ensure_metadata(self, machine_id: str, description: Description) -> None:
        """Update a machine's description; an unknown machine is ignored."""


@runtime_checkable
class Watches(Protocol):
    """Supervises machines that change by themselves."""

    async def watch(self, changed: Callable[[], None]) -> None:
        """Supervise until cancelled, and call `changed` after each change; one process of a host does it at a time."""


@runtime_checkable
class HasCapacity(Protocol):
    """Has a limited capacity."""

    def capacity(self) -> Capacity:
        """Return the capacity, over-commitment included."""


@runtime_checkable
class Reachable(Protocol):
    """Forwards ports of its host to machines that no network reaches."""

    async def port_forwards(self, machine_id: str) -> list[PortForward]:
        """Return the forwards to a machine, as its security groups allow them."""


@runtime_checkable
class SerialLogs(Protocol):
    """Records the serial output of machines."""

    async def serial_log(self, machine_id: str, most: int) -> bytes:
        """Return at most the last `most` bytes. Raises DriverError if there is no such machine."""
