"""What the fabric is told, and what it tells."""

from msgspec import Struct, field

from pileus.drivers.protocols.compute import FloatingIPSpec, NetworkSpec, Nic, RouterSpec, SecurityGroupSpec, SubnetSpec
from pileus.drivers.protocols.guests import PortForward


class Wire(Struct, frozen=True, kw_only=True):
    """An interface, and the machine that has it."""

    machine_id: str
    nic: Nic


class Guest(Struct, frozen=True, kw_only=True):
    """What the metadata service tells a machine of itself."""

    machine_id: str
    name: str
    host_name: str
    tags: dict[str, str] = field(default_factory=dict)
    ssh_public_key: str | None = None
    user_data: str | None = None


class RouterState(Struct, frozen=True, kw_only=True):
    """A router with its interfaces in the networks that it joins."""

    router: RouterSpec
    nics: list[Nic] = field(default_factory=list)


class Bridge(Struct, frozen=True, kw_only=True):
    """A bridge of the host that a network is joined with: by a TAP device, or by one that QEMU's helper lends."""

    name: str
    device: str | None = None


class State(Struct, frozen=True, kw_only=True):
    """All wires of a host; of two, the one with the higher revision is the later.

    `outside` names the networks that lead out of the host by themselves, `bridges` what networks are joined with.
    """

    revision: int
    wires: list[Wire] = field(default_factory=list)
    networks: list[NetworkSpec] = field(default_factory=list)
    subnets: list[SubnetSpec] = field(default_factory=list)
    routers: list[RouterState] = field(default_factory=list)
    security_groups: list[SecurityGroupSpec] = field(default_factory=list)
    floating_ips: list[FloatingIPSpec] = field(default_factory=list)
    guests: list[Guest] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    bridges: dict[str, Bridge] = field(default_factory=dict)


class Forward(Struct, frozen=True, kw_only=True):
    """A port of the host that leads to a machine's."""

    port_id: str
    machine_id: str
    way: PortForward


class Counters(Struct, kw_only=True):
    """What has passed through a port; `in` is towards the machine."""

    bytes_in: int = 0
    bytes_out: int = 0
    packets_in: int = 0
    packets_out: int = 0
    dropped: int = 0


class Report(Struct, kw_only=True):
    """What the fabric does for the state that it has."""

    revision: int
    forwards: list[Forward] = field(default_factory=list)
    counters: dict[str, Counters] = field(default_factory=dict)


class Question(Struct, frozen=True, kw_only=True):
    """A line sent to the fabric: with a state it is to make it so; without, only to report."""

    state: State | None = None


class Reply(Struct, frozen=True, kw_only=True):
    """A line that the fabric answers: a report, or why there is none."""

    report: Report | None = None
    wrong: str | None = None


class SavedState(Struct, frozen=True, kw_only=True):
    """What the fabric keeps for its next start: its state, and which ports of the host it has given away."""

    state: State
    host_ports: dict[str, int] = field(default_factory=dict)
