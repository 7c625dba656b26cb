"""Names and tags of machines, which the metadata service serves while they run."""

from collections.abc import Mapping

from msgspec.structs import replace

from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.guests import MachineMetadata
from pileus.drivers.qemu.fabric_updates import FabricUpdater
from pileus.drivers.qemu.machine_records import MachineRecords


class MetadataPublisher:
    """Updates the metadata that machines are served."""

    def __init__(self, records: MachineRecords, fabric_updater: FabricUpdater) -> None:
        self._records, self._fabric_updater = records, fabric_updater

    def metadata_by_machine_id(self) -> Mapping[str, MachineMetadata]:
        """Return the name and the tags of every machine, by its id."""
        return {
            machine_id: MachineMetadata(name=record.machine.name, tags=record.machine.tags)
            for machine_id, record in self._records.by_id().items()
        }

    async def ensure_machine_metadata(self, machine_id: str, metadata: MachineMetadata) -> None:
        """Update the name and the tags of a machine, if it exists. What cannot be served is not saved."""
        record = self._records.find(machine_id)
        if record is None:
            return
        machine = replace(record.machine, name=metadata.name, tags=metadata.tags)
        if machine != record.machine:
            self._records.save(replace(record, machine=machine))
            try:
                await self._fabric_updater.send_network_state()
            except DriverError:
                self._records.save(replace(self._records.get(machine_id), machine=record.machine))
                raise
