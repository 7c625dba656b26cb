"""Machines."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct, field

from pileus.domain.compute.instances import FirstBootData
from pileus.drivers.protocols.abilities import AbilityMeta
from pileus.drivers.protocols.network import NicSpec
from pileus.drivers.protocols.storage import DiskSpec


class MachineSpec(Struct, frozen=True, kw_only=True):
    """A machine: its size (`ram` in MiB), what is attached to it, its metadata, and its first boot's configuration.

    `image_id` is set for bare metal servers: the image is installed on disks of their own. `client_id` is the client
    that the machine belongs to, from whom a driver can isolate the machines of others.
    """

    id: str
    client_id: int | None = None
    name: str
    flavor_id: str
    vcpus: int
    ram: int
    host: str | None = None
    image_id: str | None = None
    disks: list[DiskSpec] = field(default_factory=list)
    nics: list[NicSpec] = field(default_factory=list)
    ssh_public_key: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    boot: FirstBootData = field(default_factory=FirstBootData)


class ObservedMachine(Struct, frozen=True, kw_only=True):
    """A machine's state: a `domain.compute.instances.Status`, and a vm_state where that does not follow from it.

    `reason` explains the status ERROR.
    """

    machine_id: str
    status: str
    vm_state: str | None = None
    reason: str | None = None


class Compute(Protocol):
    """Runs machines."""

    async def ensure_running_machine(self, machine: MachineSpec) -> None:
        """Run a machine, from any state; create it if there is none.

        A machine that is started has the disks and interfaces that it names, and no others.
        """

    async def ensure_started_machine(self, machine: MachineSpec) -> None:
        """Run a machine that exists, from any state. Raises DriverError if there is none, and creates none.

        Undoing calls it: a machine that is gone must not come back without what it had.
        """

    async def ensure_stopped_machine(self, machine_id: str) -> None:
        """Stop a machine. Raises DriverError if there is none."""

    async def ensure_suspended_machine(self, machine_id: str) -> None:
        """Suspend a machine. Raises DriverError if there is none."""

    async def ensure_restarted_machine(self, machine: MachineSpec, request_id: str, *, hard: bool) -> None:
        """Restart a machine once for each `request_id`, however often the call is repeated."""

    async def ensure_machine_size(self, machine: MachineSpec) -> None:
        """Give a machine its vcpus and ram; it stays running or stopped."""

    async def ensure_no_machine(self, machine_id: str) -> None:
        """Delete a machine and everything that belongs to it alone."""

    def observe(self) -> AsyncIterator[ObservedMachine]:
        """Iterate over the states of all machines."""


@runtime_checkable
class SupportsStart(Protocol, metaclass=AbilityMeta):
    """Has work to do before its first call."""

    async def start(self) -> None:
        """Prepare, in each process of a server. Raises OSError with a message for the operator if that fails."""


@runtime_checkable
class SupportsChangeNumbers(Protocol, metaclass=AbilityMeta):
    """Numbers the changes that no task has made, so that the reconciler need not look at all machines."""

    async def list_changed_machines(self, after: int, limit: int) -> Sequence[tuple[int, str]]:
        """Return number and machine of the changes with higher numbers than `after`, lowest first, at most `limit`."""

    async def observe_machines(self, machine_ids: Sequence[str]) -> Sequence[ObservedMachine]:
        """Return the states of these machines; unknown ones are left out."""


@runtime_checkable
class SupportsMachineInventory(Protocol, metaclass=AbilityMeta):
    """Knows which machines exist, so that the reconciler finds those that somebody has deleted."""

    async def list_missing_machines(self, machine_ids: Sequence[str]) -> Sequence[str]:
        """Return those of the machines that do not exist. Raises DriverError if that cannot be found out.

        A machine whose state is unknown or changes exists. `observe` may leave it out, which says nothing.
        """


@runtime_checkable
class SupportsHealthCheck(Protocol, metaclass=AbilityMeta):
    """Reports whether the driver can work now."""

    async def check_health(self) -> str:
        """Return what the machines run on. Raises DriverError if that cannot be reached."""


@runtime_checkable
class SupportsHosts(Protocol, metaclass=AbilityMeta):
    """Places machines on more than one host."""

    async def list_host_names(self, region_id: int) -> Sequence[str]:
        """Return the names of a region's hosts."""


@runtime_checkable
class SupportsMigration(Protocol, metaclass=AbilityMeta):
    """Moves machines from host to host."""

    async def ensure_machine_host(self, machine: MachineSpec) -> None:
        """Move a machine to the host that it names; it stays running or stopped."""


@runtime_checkable
class SupportsRebuild(Protocol, metaclass=AbilityMeta):
    """Installs images on bare metal servers."""

    async def ensure_rebuilt_machine(self, machine: MachineSpec, request_id: str) -> None:
        """Install the machine's image again and run it, once for each `request_id`; all its data are lost."""


@runtime_checkable
class SupportsSimulation(Protocol, metaclass=AbilityMeta):
    """Simulates machines, so that tests can set their states and their speed."""

    async def set_machine_state(self, machine_id: str, status: str, vm_state: str | None = None) -> None:
        """Put a machine into a state, as if it had changed by itself. Raises DriverError if there is none."""

    async def set_transition_time(self, mode: str) -> None:
        """Set the duration of transitions: none (`instant`), or as in a real cloud (`realistic`)."""
