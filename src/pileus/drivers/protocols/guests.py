"""What a driver does whose machines really run, if it can: another part of what stands in `driver.py`."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from msgspec import Struct


class Description(Struct, frozen=True, kw_only=True):
    """What a machine is told of itself by the metadata service, however often it changes."""

    name: str
    tags: dict[str, str]


class Capacity(Struct, frozen=True, kw_only=True):
    """How much there is for all machines together; `ram` in MiB."""

    vcpus: int
    ram: int


class PortForward(Struct, frozen=True, kw_only=True):
    """A way from the host into a machine: what is sent to `host_address` and `host_port` comes to its own port."""

    protocol: str
    address: str
    port: int
    host_address: str
    host_port: int


@runtime_checkable
class MachineMetadata(Protocol):
    """Lets machines know their names and tags while they run."""

    async def described(self) -> Mapping[str, Description]:
        """What each machine was last told, by its id."""

    async def ensure_metadata(self, machine_id: str, description: Description) -> None:
        """Let a machine know; one that is not there need not."""


@runtime_checkable
class Watches(Protocol):
    """Looks after machines that do things by themselves."""

    async def watch(self, changed: Callable[[], None]) -> None:
        """Look after them until cancelled, and say so when one has changed; one process of a host does it at a time."""


@runtime_checkable
class HasCapacity(Protocol):
    """Has no more room than its host."""

    def capacity(self) -> Capacity:
        """How much there is, over-commitment included."""


@runtime_checkable
class Reachable(Protocol):
    """Lets its host reach into machines that no network leads to."""

    async def port_forwards(self, machine_id: str) -> list[PortForward]:
        """The ways into a machine, as its security groups open them."""


@runtime_checkable
class SerialLogs(Protocol):
    """Keeps what machines say on their serial lines."""

    async def serial_log(self, machine_id: str, most: int) -> bytes:
        """The last bytes that it said, at most so many; raises DriverError for an unknown one."""
