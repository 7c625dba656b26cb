"""A driver whose machines are in memory, for regions beside the simulated one."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated

from msgspec import Struct

from pileus.domain.compute.instances import Status
from pileus.drivers.protocols.compute import MachineSpec, ObservedMachine
from pileus.drivers.protocols.config import DriverConfig
from pileus.drivers.protocols.errors import DriverError, DriverUnreachable
from pileus.drivers.protocols.guests import MachineMetadata, TotalCapacity
from pileus.setting_fields import setting


class MemorySettings(Struct, frozen=True, kw_only=True):
    """The settings: the name of the place, and its capacity."""

    rack: Annotated[str, setting("Memory", "The place of the machines.")] = "a"
    vcpus: Annotated[int, setting("Memory", "The number of vCPUs.", ge=1)] = 4


class MemoryDriver:
    """Fulfils Compute, SupportsCapacity, SupportsHealthCheck, SupportsMachineInventory and SupportsMachineMetadata."""

    PLACE_SETTINGS = ("rack",)

    def __init__(self, settings: MemorySettings, region_ids: list[int]) -> None:
        self.settings, self.region_ids = settings, region_ids
        self.machines: dict[str, MachineSpec] = {}
        self.statuses: dict[str, str] = {}
        self.metadata: dict[str, MachineMetadata] = {}
        self.failure = ""

    @classmethod
    def create(cls, config: DriverConfig[MemorySettings]) -> "MemoryDriver":
        """Create the driver."""
        return cls(config.settings, [region.id for region in config.catalogue.regions])

    async def check_health(self) -> str:
        """Return the rack, or fail."""
        if self.failure:
            raise DriverError(self.failure, retryable=True)
        return f"rack {self.settings.rack}"

    def total_capacity(self) -> TotalCapacity:
        """Return the setting, and much memory."""
        return TotalCapacity(vcpus=self.settings.vcpus, ram=1 << 20)

    async def ensure_running_machine(self, machine: MachineSpec) -> None:
        """Run a machine."""
        self.machines[machine.id] = machine
        self.statuses[machine.id] = Status.ACTIVE

    async def ensure_started_machine(self, machine: MachineSpec) -> None:
        """Run a machine that exists."""
        if machine.id not in self.machines:
            raise DriverError(f"There is no machine {machine.id}", retryable=False)
        await self.ensure_running_machine(machine)

    async def ensure_stopped_machine(self, machine_id: str) -> None:
        """Stop a machine."""
        self.statuses[machine_id] = Status.SHUTOFF

    async def ensure_suspended_machine(self, machine_id: str) -> None:
        """Suspend a machine."""
        self.statuses[machine_id] = Status.SUSPENDED

    async def ensure_restarted_machine(self, machine: MachineSpec, request_id: str, *, hard: bool) -> None:  # noqa: ARG002  # of the Protocol
        """Run a machine."""
        await self.ensure_running_machine(machine)

    async def ensure_machine_size(self, machine: MachineSpec) -> None:
        """Resize a machine."""
        self.machines[machine.id] = machine

    async def ensure_no_machine(self, machine_id: str) -> None:
        """Delete a machine."""
        self.machines.pop(machine_id, None)
        self.statuses.pop(machine_id, None)

    async def observe(self) -> AsyncIterator[ObservedMachine]:
        """Iterate over all machines."""
        for machine_id, status in list(self.statuses.items()):
            yield ObservedMachine(machine_id=machine_id, status=status)

    async def list_missing_machines(self, machine_ids: Sequence[str]) -> Sequence[str]:
        """Return those of the machines that do not exist, or fail."""
        if self.failure:
            raise DriverUnreachable(self.failure)
        return [machine_id for machine_id in machine_ids if machine_id not in self.machines]

    async def list_descriptions(self) -> Mapping[str, MachineMetadata]:
        """Return what was sent."""
        return self.metadata

    async def ensure_machine_metadata(self, machine_id: str, metadata: MachineMetadata) -> None:
        """Save what is sent."""
        self.metadata[machine_id] = metadata
