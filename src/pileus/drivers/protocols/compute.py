"""What a driver does. Every verb names an end state, so that saying it twice does no harm.

`Compute` is all that a driver must do; the other Protocols, here and in `images.py`, `metrics.py`, `guests.py` and
`screens.py`, are abilities that are found by `isinstance`.
"""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from msgspec import Struct, convert, field
from msgspec.structs import replace

from pileus.domain.catalogue import Catalogue
from pileus.domain.compute.instances import Boot
from pileus.domain.network.networks import Network, Route, Subnet
from pileus.domain.network.ports import AddressPair
from pileus.domain.network.security_rules import NewRule


class DriverError(Exception):
    """A driver could not do as told; `retryable` says whether trying again may help."""

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class Fetching(Struct, frozen=True, kw_only=True):
    """What may be fetched for tenants: at most `largest` bytes in `seconds`, and only from public addresses.

    `anywhere` lets it come from any address but those that are local to a link, where clouds keep their secrets.
    """

    largest: int = 64 << 30
    seconds: float = 3600
    anywhere: bool = False


class Hosting(Struct, frozen=True, kw_only=True):
    """How machines use the host that they run on: as which user, how much of it, and by which accelerator.

    A ratio says how often a core, or a MiB, may be promised; `bridges` joins the catalogue's networks, by
    name, with the host's.
    """

    user: str = "nobody"
    accelerator: str = "auto"
    cpu_ratio: float = 8.0
    ram_ratio: float = 1.0
    resume: bool = True
    bridges: dict[str, str] = field(default_factory=dict)


class DriverConfig(Struct, frozen=True):
    """What a driver is made from: the server's data directory, what the operator offers, and what machines may use.

    `public_url` is where clients reach the server.
    """

    data: Path
    catalogue: Catalogue
    fetching: Fetching = Fetching()
    hosting: Hosting = Hosting()
    public_url: str = "http://127.0.0.1:8080"


class Disk(Struct, frozen=True, kw_only=True):
    """A volume as a driver sees it; `size` in GiB; made from a snapshot if it names one, from an image, or blank."""

    id: str
    size: int
    type_name: str
    device: str | None = None
    boot_index: int = -1
    image_id: str | None = None
    snapshot_id: str | None = None


class Nic(Struct, frozen=True, kw_only=True):
    """A port as a driver sees it: it speaks as its `addresses` and the pairs only, unless it is not `secured`."""

    port_id: str
    network_id: str
    mac_address: str
    addresses: list[str]
    pairs: list[AddressPair] = field(default_factory=list)
    secured: bool = True
    groups: list[str] = field(default_factory=list)
    """The ids of the security groups whose rules say what may pass."""


class Machine(Struct, frozen=True, kw_only=True):
    """A server to be: its size (`ram` in MiB), what hangs on it, what it is told of itself and at its first boot.

    One with disks of its own has the image `image_id` installed on them.
    """

    id: str
    name: str
    flavor_id: str
    vcpus: int
    ram: int
    host: str | None = None
    image_id: str | None = None
    disks: list[Disk] = field(default_factory=list)
    nics: list[Nic] = field(default_factory=list)
    ssh_public_key: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    boot: Boot = field(default_factory=Boot)


class NetworkSpec(Struct, frozen=True, kw_only=True):
    """A network as a driver sees it; `segmentation_id` tells those of one type in a region apart."""

    id: str
    name: str
    region_id: int
    type: str
    mtu: int
    segmentation_id: int | None = None

    @classmethod
    def of(cls, network: Network) -> "NetworkSpec":
        """A network as it is recorded."""
        return convert(network, cls, from_attributes=True)


class SubnetSpec(Struct, frozen=True, kw_only=True):
    """A subnet as a driver sees it: what it tells the machines on it, if it tells them anything (`enable_dhcp`)."""

    id: str
    network_id: str
    cidr: str
    gateway_ip: str | None = None
    enable_dhcp: bool = True
    dns_nameservers: list[str] = field(default_factory=list)
    host_routes: list[Route] = field(default_factory=list)

    @classmethod
    def of(cls, subnet: Subnet) -> "SubnetSpec":
        """A subnet as it is recorded."""
        told = replace(subnet, dns_nameservers=subnet.dns_nameservers or [])
        return convert(told, cls, from_attributes=True)


class RouterSpec(Struct, frozen=True, kw_only=True):
    """A router as a driver sees it; `outside` is its way out: what is behind it speaks as it if it `translates`."""

    id: str
    name: str
    routes: list[Route] = field(default_factory=list)
    outside: Nic | None = None
    translates: bool = True


class SecurityGroupSpec(Struct, frozen=True, kw_only=True):
    """A security group as a driver sees it: what no rule lets pass is stopped, at every interface in the group."""

    id: str
    name: str
    rules: list[NewRule] = field(default_factory=list)


class FloatingIPSpec(Struct, frozen=True, kw_only=True):
    """A floating IP as a driver sees it: what is sent to `ip_address` goes on to `fixed_ip_address` of a port."""

    id: str
    region_id: int
    ip_address: str
    port_id: str
    fixed_ip_address: str


class ObservedMachine(Struct, frozen=True, kw_only=True):
    """A machine as the driver finds it: a status of `domain.instances.Status`, perhaps with a vm_state of its own.

    One in ERROR has a `reason`.
    """

    machine_id: str
    status: str
    vm_state: str | None = None
    reason: str | None = None


class Console(Struct, frozen=True, kw_only=True):
    """Where a machine's screen can be seen."""

    url: str
    type: str
    protocol: str


class Compute(Protocol):
    """Runs machines."""

    async def ensure_running(self, machine: Machine) -> None:
        """Bring a machine to running, whatever it was; make it if there is none."""

    async def ensure_stopped(self, machine_id: str) -> None:
        """Bring it to a stop."""

    async def ensure_suspended(self, machine_id: str) -> None:
        """Freeze it."""

    async def ensure_restarted(self, machine: Machine, request: str, *, hard: bool) -> None:
        """Restart it once for a `request`, however often that is said."""

    async def ensure_sized(self, machine: Machine) -> None:
        """Give it the machine's vcpus and ram; it runs, or not, as before."""

    async def ensure_gone(self, machine_id: str) -> None:
        """Leave nothing of it."""

    def observe(self) -> AsyncIterator[ObservedMachine]:
        """Every machine there is."""


class DriverFactory(Protocol):
    """What the name of a driver stands for: its class."""

    def create(self, setup: DriverConfig) -> Compute:
        """Make the driver; raises OSError where it cannot be made."""


@runtime_checkable
class HealthCheck(Protocol):
    """Knows whether it can do its work now."""

    async def check(self) -> str:
        """What the machines run on, if they can be reached; raises DriverError."""


@runtime_checkable
class Volumes(Protocol):
    """Keeps volumes."""

    async def ensure_volume(self, disk: Disk) -> None:
        """Make a volume, with the content it is to have."""

    async def ensure_no_volume(self, volume_id: str) -> None:
        """Destroy it."""

    async def ensure_attached(self, machine_id: str, disk: Disk) -> None:
        """Hang it on a machine."""

    async def ensure_detached(self, machine_id: str, volume_id: str) -> None:
        """Take it off."""


@runtime_checkable
class Extends(Protocol):
    """Changes the size of volumes while they are in use."""

    async def ensure_size(self, volume_id: str, size: int) -> None:
        """Make a volume so large; a smaller size than it has takes an extension back, as far as that can be done."""


@runtime_checkable
class Retypes(Protocol):
    """Moves volumes to another kind of storage while they are in use."""

    async def ensure_type(self, volume_id: str, type_name: str) -> None:
        """Let a volume be of a type."""


@runtime_checkable
class Snapshots(Protocol):
    """Keeps what volumes held at a moment."""

    async def ensure_snapshot(self, snapshot_id: str, volume_id: str) -> None:
        """Take a snapshot of a volume, in use or not."""

    async def ensure_no_snapshot(self, snapshot_id: str) -> None:
        """Destroy it."""

    async def ensure_reverted(self, volume_id: str, snapshot_id: str, request: str) -> None:
        """Give a free volume what a snapshot holds, wholly or not at all, once for a `request`."""


@runtime_checkable
class Interfaces(Protocol):
    """Plugs machines into networks."""

    async def ensure_interface(self, machine_id: str, nic: Nic) -> None:
        """Give a machine an interface, or make the one that it has as it is to be."""

    async def ensure_no_interface(self, machine_id: str, port_id: str) -> None:
        """Take it away."""


@runtime_checkable
class Networks(Protocol):
    """Makes networks; external ones are there without its doing."""

    async def ensure_network(self, network: NetworkSpec) -> None:
        """Make a network, or make the one that is there as it is to be."""

    async def ensure_no_network(self, network_id: str) -> None:
        """Take it away, and its subnets."""

    async def ensure_subnet(self, subnet: SubnetSpec) -> None:
        """Make a subnet of a network, or make the one that is there as it is to be."""

    async def ensure_no_subnet(self, subnet_id: str) -> None:
        """Take it away."""


@runtime_checkable
class Routers(Protocol):
    """Joins networks."""

    async def ensure_router(self, router: RouterSpec) -> None:
        """Make a router, or make the one that is there as it is to be; what it joins stays joined."""

    async def ensure_no_router(self, router_id: str) -> None:
        """Take it away, and what joins it."""

    async def ensure_router_interface(self, router_id: str, nic: Nic) -> None:
        """Let a router have an interface."""

    async def ensure_no_router_interface(self, router_id: str, port_id: str) -> None:
        """Take it away."""


@runtime_checkable
class SecurityGroups(Protocol):
    """Lets security groups guard interfaces."""

    async def ensure_security_group(self, group: SecurityGroupSpec) -> None:
        """Let a security group have exactly these rules, at every interface that is in it."""

    async def ensure_no_security_group(self, group_id: str) -> None:
        """Take it away."""


@runtime_checkable
class FloatingIPs(Protocol):
    """Lets public addresses lead to ports."""

    async def ensure_floating_ip(self, floating_ip: FloatingIPSpec) -> None:
        """Let a floating IP lead there, and nowhere else."""

    async def ensure_no_floating_ip(self, floating_ip_id: str) -> None:
        """Let it lead nowhere."""


@runtime_checkable
class Hosts(Protocol):
    """Has more than one host to place machines on."""

    async def hosts(self, region_id: int) -> Sequence[str]:
        """The hosts of a region."""


@runtime_checkable
class Migrates(Protocol):
    """Moves machines from host to host."""

    async def ensure_on_host(self, machine: Machine) -> None:
        """Let a machine be on the host that it names; it runs, or not, as before."""


@runtime_checkable
class Rebuilds(Protocol):
    """Installs images on servers with disks of their own."""

    async def ensure_rebuilt(self, machine: Machine, request: str) -> None:
        """Install the machine's image anew and run it, once for a `request`; nothing stays of what was on it."""


@runtime_checkable
class Consoles(Protocol):
    """Has a screen that a browser can show."""

    async def console(self, machine_id: str, console_type: str | None) -> Console:
        """Open a console; raises DriverError for a type that it has not."""


@runtime_checkable
class Protects(Protocol):
    """Protects addresses against DDoS."""

    async def ensure_protected(self, region_id: int, ip_address: str, *, active: bool) -> None:
        """Give an address a protection that is on, or kept ready but off."""

    async def ensure_unprotected(self, region_id: int, ip_address: str) -> None:
        """Take the protection away."""


@runtime_checkable
class Simulates(Protocol):
    """Plays: its machines can be put in any state, and its time runs as told."""

    def set_state(self, machine_id: str, status: str, vm_state: str | None = None) -> None:
        """Let a machine be in a state, as if something had happened to it."""

    def set_time(self, mode: str) -> None:
        """Let transitions take no time (`instant`), or a real cloud's (`realistic`)."""
