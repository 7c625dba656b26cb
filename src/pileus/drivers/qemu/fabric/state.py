"""Messages between the driver and the fabric. A newer server talks to an older fabric: fields keep their names."""

from msgspec import Struct, field

from pileus.drivers.protocols.guests import PortForward
from pileus.drivers.protocols.network import (
    FloatingIPSpec,
    NetworkSpec,
    NicSpec,
    RouterSpec,
    SecurityGroupSpec,
    SubnetSpec,
)

VERSION = 4
"""The version of the fabric. A server replaces a running fabric of an earlier one."""


class MachineNic(Struct, frozen=True, kw_only=True):
    """An interface and its machine, which runs as the user of its client if `user_id` is set.

    The interface of a load balancer is a TAP device: the fabric gets it at the socket `tap`. Its `public_ports` of TCP
    are forwarded, whatever security groups say.
    """

    machine_id: str
    nic: NicSpec
    user_id: int | None = None
    tap: str | None = None
    public_ports: list[int] = field(default_factory=list)


class GuestMetadata(Struct, frozen=True, kw_only=True):
    """The metadata of a machine; user data that are no UTF-8 text are in `binary_user_data`."""

    machine_id: str
    name: str
    host_name: str
    tags: dict[str, str] = field(default_factory=dict)
    ssh_public_key: str | None = None
    user_data: str | None = None
    binary_user_data: bytes | None = None
    instance_type: str | None = None


class RouterWithNics(Struct, frozen=True, kw_only=True):
    """A router and its interfaces in networks."""

    router: RouterSpec
    nics: list[NicSpec] = field(default_factory=list)


class HostBridge(Struct, frozen=True, kw_only=True):
    """A bridge of the host for a network: by a TAP device, or without one, by a device from QEMU's bridge helper."""

    name: str
    device: str | None = None


class FabricState(Struct, frozen=True, kw_only=True):
    """The whole network of a host; a state with a higher revision is later.

    `outside` are the ids of external networks; `bridges` are the bridges by network id.
    """

    revision: int
    wires: list[MachineNic] = field(default_factory=list)
    networks: list[NetworkSpec] = field(default_factory=list)
    subnets: list[SubnetSpec] = field(default_factory=list)
    routers: list[RouterWithNics] = field(default_factory=list)
    security_groups: list[SecurityGroupSpec] = field(default_factory=list)
    floating_ips: list[FloatingIPSpec] = field(default_factory=list)
    guests: list[GuestMetadata] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    bridges: dict[str, HostBridge] = field(default_factory=dict)


class MachinePortForward(Struct, frozen=True, kw_only=True):
    """A forwarded port of the host."""

    port_id: str
    machine_id: str
    way: PortForward


class PortTrafficCounters(Struct, kw_only=True):
    """Traffic of a port; `in` is towards the machine."""

    bytes_in: int = 0
    bytes_out: int = 0
    packets_in: int = 0
    packets_out: int = 0
    dropped: int = 0


class FabricReport(Struct, kw_only=True):
    """The applied revision, the forwarded ports, and counters by port id.

    `malformed` is the number of frames that could not be parsed, `errors` that of unexpected errors by kind. `version`
    is that of the fabric's code.
    """

    revision: int
    version: int = 1
    forwards: list[MachinePortForward] = field(default_factory=list)
    counters: dict[str, PortTrafficCounters] = field(default_factory=dict)
    malformed: int = 0
    errors: dict[str, int] = field(default_factory=dict)


class StateRequest(Struct, frozen=True, kw_only=True):
    """A request to apply a state, or without one, to report only."""

    state: FabricState | None = None


class StateReply(Struct, frozen=True, kw_only=True):
    """A report, or the reason why there is none."""

    report: FabricReport | None = None
    wrong: str | None = None


class SavedFabricState(Struct, frozen=True, kw_only=True):
    """The file of the fabric: its state, and the host port of each forward."""

    state: FabricState
    host_ports: dict[str, int] = field(default_factory=dict)
