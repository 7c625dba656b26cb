"""Request bodies for quotas: limit requests, the threshold, and checks of new instances."""

from typing import Annotated

from msgspec import Meta, Struct, field

from pileus.api.wire.account.price_requests import AtMostNames, PlannedVolume
from pileus.api.wire.account.quotas import RequestedLimits
from pileus.api.wire.constraints import InterfaceTypeName, IpFamily, Uuid
from pileus.api.wire.network.interface_requests import ExistingFloatingIP, NewFloatingIP


class CreateLimitRequest(Struct, kw_only=True):
    """A request for other limits, and the reason."""

    description: Annotated[str, Meta(max_length=1000)]
    requested_limits: RequestedLimits


class SetNotificationThreshold(Struct, kw_only=True):
    """The notification threshold, in percent of any quota."""

    threshold: Annotated[int, Meta(ge=60, le=100)]


class PlannedInterface(Struct, kw_only=True):
    """An interface to count."""

    type: InterfaceTypeName
    floating_ip: NewFloatingIP | ExistingFloatingIP | None = None
    ip_family: IpFamily | None = None
    network_id: Uuid | None = None
    subnet_id: Uuid | None = None
    port_id: Uuid | None = None


class InstanceQuotaCheckRequest(Struct, kw_only=True):
    """New instances to check against the quotas."""

    flavor: str | None = None
    names: Annotated[list[str], AtMostNames] = field(default_factory=list)
    name_templates: Annotated[list[str | None], AtMostNames] = field(default_factory=list)
    interfaces: Annotated[list[PlannedInterface], AtMostNames] = field(default_factory=list)
    volumes: Annotated[list[PlannedVolume], AtMostNames] = field(default_factory=list)
