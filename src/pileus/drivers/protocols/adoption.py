"""What an existing cloud has that is not of this program, and how it becomes part of it."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from msgspec import Struct, field

from pileus.domain.network.networks import Route
from pileus.domain.network.ports import AddressPair
from pileus.domain.network.security_rules import NewRule
from pileus.drivers.protocols.abilities import AbilityMeta
from pileus.drivers.protocols.network import NicSpec, SecurityGroupSpec


class ForeignResource(Struct, frozen=True, kw_only=True):
    """A resource of the cloud. `cloud_id` is its id there, `id` the one that it has or gets in this program."""

    id: str
    cloud_id: str
    name: str


class OtherResource(ForeignResource, frozen=True, kw_only=True):
    """A resource of a kind that is not adopted."""

    kind: str


class ForeignSubnet(ForeignResource, frozen=True, kw_only=True):
    """A range of addresses of a network."""

    cidr: str
    gateway_ip: str | None
    enable_dhcp: bool
    dns_nameservers: list[str]
    host_routes: list[Route]


class ForeignNetwork(ForeignResource, frozen=True, kw_only=True):
    """A network of the cloud's project."""

    mtu: int
    subnets: list[ForeignSubnet]


class ForeignVolume(ForeignResource, frozen=True, kw_only=True):
    """A volume, and the machine that has it, if any, with the device name that the cloud gives it there."""

    size: int
    type_name: str
    is_usable: bool
    bootable: bool
    machine_id: str | None = None
    device: str = ""


class ForeignSecurityGroup(ForeignResource, frozen=True, kw_only=True):
    """A security group. The remote groups of its rules are ids of this program."""

    description: str
    rules: list[NewRule]


class ForeignPort(ForeignResource, frozen=True, kw_only=True):
    """An interface of a machine. `network_id` and `group_ids` are ids of this program."""

    network_id: str
    mac_address: str
    addresses: list[str]
    secured: bool
    pairs: list[AddressPair]
    group_ids: list[str]

    @property
    def spec(self) -> NicSpec:
        """The interface as drivers see it."""
        return NicSpec(
            port_id=self.id,
            network_id=self.network_id,
            mac_address=self.mac_address,
            addresses=self.addresses,
            pairs=self.pairs,
            secured=self.secured,
            groups=self.group_ids,
        )


class ForeignMachine(ForeignResource, frozen=True, kw_only=True):
    """A machine with its interfaces and volumes. `flavor_id` is the name of its flavor."""

    flavor_id: str
    status: str
    ports: list[ForeignPort]
    volumes: list[ForeignVolume]
    boot_volume_id: str | None
    volumes_deleted_with_it: list[str]


class ForeignResources(Struct, frozen=True, kw_only=True):
    """All that a cloud has and this program does not manage. `groups` are those that the machines use."""

    networks: list[ForeignNetwork] = field(default_factory=list)
    volumes: list[ForeignVolume] = field(default_factory=list)
    machines: list[ForeignMachine] = field(default_factory=list)
    groups: dict[str, ForeignSecurityGroup] = field(default_factory=dict)
    others: list[OtherResource] = field(default_factory=list)


@runtime_checkable
class SupportsAdoption(Protocol, metaclass=AbilityMeta):
    """Finds what others have created in the cloud, and marks it as managed by this program.

    A mark is all that it changes, except that an adopted machine gets copies of its security groups: others may use
    the originals. Each method is idempotent. Raises DriverError.
    """

    async def list_foreign_resources(self, region_id: int, derive_id: Callable[[str], str]) -> ForeignResources:
        """Return what the cloud has that this program has not created, also what it has adopted.

        `derive_id` returns the id in this program of a resource with an id of the cloud.
        """

    async def adopt_network(self, network: ForeignNetwork) -> None:
        """Mark a network and its subnets."""

    async def adopt_volume(self, volume: ForeignVolume) -> None:
        """Mark a volume."""

    async def adopt_machine(self, machine: ForeignMachine, groups: Sequence[SecurityGroupSpec]) -> None:
        """Mark a machine with its interfaces and volumes; `groups` are the copies of its security groups."""
