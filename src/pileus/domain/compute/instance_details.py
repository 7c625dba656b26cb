"""Details of an instance that other tables hold."""

from msgspec import Struct, field

from pileus.domain.network.ddos_profiles import BlackholePort, DdosProfile, DdosTemplate
from pileus.domain.tags import Tag


class AttachedVolume(Struct, frozen=True, gc=False, array_like=True):
    """A volume of an instance."""

    volume_id: str
    device: str
    delete_on_termination: bool = False


class InstanceAddress(Struct, frozen=True, gc=False, array_like=True):
    """An address of an instance. A floating IP has the network of its fixed address."""

    network_name: str
    addr: str
    subnet_id: str
    subnet_name: str
    port_id: str
    interface_name: str | None = None
    external: bool = False
    floating: bool = False


class InstanceDetails(Struct, frozen=True, kw_only=True, gc=False):
    """All details: tags by key, distinct group names in order, the rest in the order of attachment."""

    tags: list[Tag] = field(default_factory=list)
    volumes: list[AttachedVolume] = field(default_factory=list)
    addresses: list[InstanceAddress] = field(default_factory=list)
    security_groups: list[str] = field(default_factory=list)
    blackhole_ports: list[BlackholePort] = field(default_factory=list)
    ddos_profile: DdosProfile | None = None
    ddos_template: DdosTemplate | None = None
