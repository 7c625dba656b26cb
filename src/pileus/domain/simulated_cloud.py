"""The records of the simulated cloud: what exists in it, apart from the records of tenants' resources."""

from msgspec import Struct


class SimulatedMachineState(Struct, frozen=True, kw_only=True):
    """The state of a machine; `change_number` counts the changes that no task has made."""

    id: str
    status: str
    vm_state: str | None = None
    change_number: int | None = None


class SimulatedMachine(Struct, frozen=True, kw_only=True):
    """A machine: its state, its specification as JSON, and the request of its last restart."""

    id: str
    status: str
    vm_state: str | None = None
    spec: str
    restarted_for: str | None = None
    change_number: int | None = None


class SimulatedVolume(Struct, frozen=True, kw_only=True):
    """A volume (`size` in GiB), the machine that it is attached to, and the request of its last revert."""

    id: str
    size: int
    type_name: str
    machine_id: str | None = None
    reverted_for: str | None = None


class SimulatedSnapshot(Struct, frozen=True, kw_only=True):
    """A snapshot of a volume."""

    id: str
    volume_id: str
    size: int


class SimulatedFileShare(Struct, frozen=True, kw_only=True):
    """A file share: `size` in GiB, and the settings of its type."""

    id: str
    size: int
    type_name: str
    settings: dict[str, str | bool]
    connection_point: str


class SimulatedShareRule(Struct, frozen=True, kw_only=True):
    """Access to a file share."""

    id: str
    file_share_id: str
    access_to: str
    access_level: str


class SimulatedImage(Struct, frozen=True, kw_only=True):
    """The properties of an image; it has no content."""

    id: str
    size: int
    virtual_size: int
    disk_format: str
    checksum: str | None = None


class SimulatedNetworkPart(Struct, frozen=True, kw_only=True):
    """A network, subnet, router, interface, security group, floating IP or load balancer.

    Its specification is JSON, and so is the traffic of a load balancer.
    """

    kind: str
    id: str
    parent_id: str | None = None
    spec: str
    traffic: str | None = None


class SimulatedProtection(Struct, frozen=True, kw_only=True):
    """The DDoS protection of an address."""

    region_id: int
    ip_address: str
    active: bool


class SimulatedSetting(Struct, frozen=True, kw_only=True):
    """A setting of the whole simulated cloud, such as the time that its changes take."""

    name: str
    value: str
