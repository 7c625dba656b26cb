"""A driver whose cloud has resources of others, as a test says."""

from collections.abc import Callable, Sequence

from pileus.drivers.protocols.adoption import ForeignMachine, ForeignNetwork, ForeignResources, ForeignVolume
from pileus.drivers.protocols.config import DriverConfig
from pileus.drivers.protocols.errors import DriverError
from pileus.drivers.protocols.network import SecurityGroupSpec
from tests.drivers.memory import MemoryDriver, MemorySettings


class ForeignDriver(MemoryDriver):
    """Also fulfils SupportsAdoption; `marked` are the ids of what is adopted."""

    def __init__(self, settings: MemorySettings, region_ids: list[int]) -> None:
        super().__init__(settings, region_ids)
        self.resources = ForeignResources()
        self.marked: list[str] = []
        self.copies: list[SecurityGroupSpec] = []

    @classmethod
    def create(cls, config: DriverConfig[MemorySettings]) -> "ForeignDriver":
        """Create the driver."""
        return cls(config.settings, [region.id for region in config.catalogue.regions])

    async def list_foreign_resources(self, region_id: int, derive_id: Callable[[str], str]) -> ForeignResources:
        """Return what the test says. Its ids are those that the test has chosen."""
        assert region_id in self.region_ids
        assert derive_id(str(region_id)) == derive_id(str(region_id))
        return self.resources

    async def adopt_network(self, network: ForeignNetwork) -> None:
        """Mark a network."""
        self.marked.append(network.id)

    async def adopt_volume(self, volume: ForeignVolume) -> None:
        """Mark a volume."""
        self.marked.append(volume.id)

    async def adopt_machine(self, machine: ForeignMachine, groups: Sequence[SecurityGroupSpec]) -> None:
        """Mark a machine."""
        self.marked.append(machine.id)
        self.copies += groups


class RefusingDriver(ForeignDriver):
    """Has 200 volumes of an unknown type, one of a known type behind them, and a network that it never marks."""

    def __init__(self, settings: MemorySettings, region_ids: list[int]) -> None:
        super().__init__(settings, region_ids)
        self.resources = ForeignResources(
            networks=[ForeignNetwork(id="network", cloud_id="net", name="legacy-net", mtu=1400, subnets=[])],
            volumes=[self._volume(f"lvm-{number}", "lvm") for number in range(200)]
            + [self._volume("data", "standard")],
        )

    async def adopt_network(self, network: ForeignNetwork) -> None:
        """Refuse."""
        raise DriverError(f"Network {network.cloud_id} is of somebody else", retryable=False)

    @staticmethod
    def _volume(name: str, type_name: str) -> ForeignVolume:
        return ForeignVolume(
            id=f"volume-{name}", cloud_id=name, name=name, size=1, type_name=type_name, is_usable=True, bootable=False
        )
