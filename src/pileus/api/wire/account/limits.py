"""Limits: whether an instance that is thought of would fit the quotas."""

from msgspec import Struct, field

from pileus.api.wire.account.prices import PricedVolume
from pileus.api.wire.constraints import InterfaceTypeName, IpFamily, Uuid
from pileus.api.wire.network.interface_requests import ExistingFloatingIP, NewFloatingIP

# Three numbers for each quota that would be exceeded: `<quota>_limit`, `<quota>_requested`, `<quota>_usage`.
ExceededQuotas = dict[str, int]


class CountedInterface(Struct, kw_only=True):
    """An interface to be counted."""

    type: InterfaceTypeName
    floating_ip: NewFloatingIP | ExistingFloatingIP | None = None
    ip_family: IpFamily | None = None
    network_id: Uuid | None = None
    subnet_id: Uuid | None = None
    port_id: Uuid | None = None


class CheckLimits(Struct, kw_only=True):
    """What an instance, or several, would need."""

    flavor: str | None = None
    names: list[str] = field(default_factory=list)
    name_templates: list[str | None] = field(default_factory=list)
    interfaces: list[CountedInterface] = field(default_factory=list)
    volumes: list[PricedVolume] = field(default_factory=list)
