"""DDoS profiles, their templates, prices and availability as the API shows them."""

from typing import Any, Literal

from msgspec import Struct

from pileus.api.wire.common import make_view
from pileus.api.wire.times import NEVER, format_zulu
from pileus.domain.network.ddos_profiles import BlackholePort, DdosProfile, DdosTemplate, DdosTemplateField

HOUR = 3_600_000_000
MINUTE = 60_000_000
ALARM_NAMES = {
    "id": "ID",
    "state": "AlarmState",
    "start": "AlarmStart",
    "end": "AlarmEnd",
    "duration": "AlertDuration",
    "ip": "DestinationIP",
}


class _FieldView(Struct, kw_only=True):
    id: int
    name: str
    description: str | None
    field_type: str | None
    required: bool | None
    default: str | None
    validation_schema: Any


class DdosTemplateFieldView(_FieldView, kw_only=True):
    """A field of a template."""

    @classmethod
    def of(cls, template_field: DdosTemplateField) -> "DdosTemplateFieldView":
        """Return the view of a field."""
        return make_view(cls, template_field)


class DdosTemplateView(Struct, kw_only=True):
    """A template of DDoS profiles."""

    id: int
    name: str
    description: str | None
    fields: list[DdosTemplateFieldView]

    @classmethod
    def of(cls, template: DdosTemplate) -> "DdosTemplateView":
        """Return the view of a template."""
        fields = [DdosTemplateFieldView.of(template_field) for template_field in template.fields]
        return cls(id=template.id, name=template.name, description=template.description, fields=fields)


class DdosProfileFieldView(_FieldView, kw_only=True):
    """A field of the template with the profile's answer; `value` is null unless the answer was given there."""

    base_field: int
    field_value: Any
    value: str | None

    @classmethod
    def of(cls, answer: dict[str, Any], template_field: DdosTemplateField) -> "DdosProfileFieldView":
        """Return the view of an answer."""
        return make_view(
            cls,
            template_field,
            id=answer.get("id", template_field.id),
            base_field=template_field.id,
            field_value=answer.get("field_value", answer.get("value")),
            value=answer.get("value"),
        )


class DdosProfileOptionsView(Struct, kw_only=True):
    """The switches of a DDoS profile: active or not, with BGP or not."""

    active: bool
    bgp: bool


class DdosProfileStatusView(Struct, kw_only=True):
    """The status (`Active`, `Queued` or `Error`) and the error."""

    status: str
    error_description: str


class DdosProfileView(Struct, kw_only=True):
    """The DDoS profile of an address."""

    id: int
    site: str | None
    options: DdosProfileOptionsView
    status: DdosProfileStatusView | None
    profile_template: DdosTemplateView | None
    profile_template_description: str | None
    fields: list[DdosProfileFieldView]
    protocols: list[dict[str, Any]] | None

    @classmethod
    def of(cls, profile: DdosProfile, template: DdosTemplate | None) -> "DdosProfileView":
        """Return the view of a profile. Missing values are empty, not null: strict clients reject null."""
        return cls(
            id=profile.id,
            site=profile.site or "",
            options=DdosProfileOptionsView(active=profile.active, bgp=profile.bgp),
            status=DdosProfileStatusView(status=profile.status, error_description=profile.error_description),
            profile_template=None if template is None else DdosTemplateView.of(template),
            profile_template_description=None if template is None else template.description,
            fields=_field_views(profile, template),
            protocols=profile.protocols or [],
        )


class DdosProfileDetails(DdosProfileView, kw_only=True):
    """A DDoS profile with the address that it protects."""

    ip_address: str | None
    managed_by: Literal["system", "user"]

    @classmethod
    def of(cls, profile: DdosProfile, template: DdosTemplate | None) -> "DdosProfileDetails":
        """Return the view of a profile."""
        view = DdosProfileView.of(profile, template)
        return make_view(cls, view, ip_address=profile.ip_address, managed_by="user")


class DdosRegionCoverage(Struct, kw_only=True):
    """The coverage of a region by DDoS protection."""

    is_covered: bool


class DdosAccessibility(Struct, kw_only=True):
    """The availability of DDoS protection, with an HTTP status code and its text."""

    is_accessible: bool
    http_code: int
    message: str


class DdosProtectionPrice(Struct, kw_only=True):
    """The price of the protection of one address."""

    feature_name: str
    period: str
    unit_name: str
    unit_size: int
    price_currency: str
    price_per_hour: float | None
    price_per_day: float | None
    price_per_30d: float | None


class DdosPriceWithMonthDays(Struct, kw_only=True):
    """The price of DDoS protection, and the number of days in this month and the next."""

    price: DdosProtectionPrice
    current_month_days: int
    current_month_days_last: int
    next_month_days: int


class BlackholePortView(Struct, kw_only=True, rename=ALARM_NAMES):
    """A DDoS alarm on an address. While it goes on, its end is in the year 1."""

    id: int
    state: str
    start: str
    end: str
    duration: str
    ip: str

    @classmethod
    def of(cls, port: BlackholePort) -> "BlackholePortView":
        """Return the view of an alarm."""
        ended = port.ended_at
        return cls(
            id=port.id,
            state=port.alarm_state,
            start=format_zulu(port.started_at),
            end=NEVER if ended is None else format_zulu(ended),
            duration="ongoing" if ended is None else _format_duration(ended - port.started_at),
            ip=port.destination_ip,
        )


def _field_views(profile: DdosProfile, template: DdosTemplate | None) -> list[DdosProfileFieldView]:
    by_id = {} if template is None else {template_field.id: template_field for template_field in template.fields}
    answers = [answer for answer in profile.fields if answer.get("base_field") in by_id]
    return [DdosProfileFieldView.of(answer, by_id[answer["base_field"]]) for answer in answers]


def _format_duration(microseconds: int) -> str:
    hours = microseconds >= HOUR
    count, unit = (microseconds // HOUR, "hour") if hours else (microseconds // MINUTE, "minute")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
