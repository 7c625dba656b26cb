"""Names and tags of machines, which the metadata service serves while they run."""

from collections.abc import Mapping

from msgspec.structs import replace

from pileus.drivers.protocols.guests import Description
from pileus.drivers.qemu.machine_records import MachineRecords
from pileus.drivers.qemu.wiring import FabricWiring


class MetadataPublisher:
    """Updates the metadata that machines are served."""

    def __init__(self, records: MachineRecords, wiring: FabricWiring) -> None:
        self._records, self._wiring = records, wiring

    def descriptions(self) -> Mapping[str, Description]:
        """Return the name and the tags of every machine, by its id."""
        return {
            machine_id: Description(name=record.machine.name, tags=record.machine.tags)
            for machine_id, record in self._records.by_id().items()
        }

    async def ensure_metadata(self, machine_id: str, description: Description) -> None:
        """Update the name and the tags of a machine, if it exists."""
        record = self._records.find(machine_id)
        if record is None:
            return
        machine = replace(record.machine, name=description.name, tags=description.tags)
        if machine != record.machine:
            self._records.save(replace(record, machine=machine))
            await self._wiring.apply()
