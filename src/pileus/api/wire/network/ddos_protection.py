"""DDoS protection's own shapes: profiles with their addresses, what is sent to change them, where it is to be had."""

from typing import Any, Literal

from msgspec import Struct, field

from pileus.api.wire.constraints import Number
from pileus.api.wire.network.ddos_profiles import DdosProfileView
from pileus.domain.network.ddos_profiles import DdosProfile, DdosTemplate


class ProtectedAddress(DdosProfileView, kw_only=True):
    """A profile with the address that it protects."""

    ip_address: str | None
    managed_by: Literal["system", "user"]

    @classmethod
    def of(cls, profile: DdosProfile, template: DdosTemplate | None) -> "ProtectedAddress":
        """Show a profile."""
        view = DdosProfileView.of(profile, template)
        shown = {name: getattr(view, name) for name in DdosProfileView.__struct_fields__}
        return cls(**shown, ip_address=profile.ip_address, managed_by="user")


class FieldAnswer(Struct, kw_only=True):
    """An answer to a field of the template; the value is any JSON."""

    base_field: Number
    field_value: Any = None


class ProtectAddress(Struct, kw_only=True):
    """Which address to protect, by which template, with which answers."""

    ip_address: str
    profile_template: Number
    fields: list[FieldAnswer] = field(default_factory=list)

    def answers(self) -> list[dict[str, Any]]:
        """The answers as the rules take them."""
        return [{"base_field": answer.base_field, "field_value": answer.field_value} for answer in self.fields]


class SwitchProtection(Struct, kw_only=True):
    """Whether the profile is to be on, and by BGP."""

    active: bool
    bgp: bool


class RegionCoverage(Struct, kw_only=True):
    """Whether a region has DDoS protection."""

    is_covered: bool


class Accessibility(Struct, kw_only=True):
    """Whether the protection can be reached, in HTTP's words."""

    is_accessible: bool
    http_code: int
    message: str


class ProtectionPrice(Struct, kw_only=True):
    """What protecting one address costs."""

    feature_name: str
    period: str
    unit_name: str
    unit_size: int
    price_currency: str
    price_per_hour: float | None
    price_per_day: float | None
    price_per_30d: float | None


class ProtectionPricing(Struct, kw_only=True):
    """The price, with the days that it is counted by."""

    price: ProtectionPrice
    current_month_days: int
    current_month_days_last: int
    next_month_days: int
