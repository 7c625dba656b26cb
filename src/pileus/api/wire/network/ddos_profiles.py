"""DDoS profiles and blackholed ports as an instance shows them, and the profile that an interface is attached with."""

from typing import Any

from msgspec import Struct, field

from pileus.api.wire.times import NEVER, format_zulu
from pileus.domain.network.ddos_profiles import (
    BlackholePort,
    DdosProfile,
    DdosTemplate,
    DdosTemplateField,
    NewDdosProfile,
)

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


class TemplateFieldView(Struct, kw_only=True):
    """One thing that a template asks for."""

    id: int
    name: str
    description: str | None
    field_type: str | None
    required: bool | None
    default: str | None
    validation_schema: Any

    @classmethod
    def of(cls, asked: DdosTemplateField) -> "TemplateFieldView":
        """Show a field of a template."""
        return cls(
            id=asked.id,
            name=asked.name,
            description=asked.description,
            field_type=asked.field_type,
            required=asked.required,
            default=asked.default,
            validation_schema=asked.validation_schema,
        )


class TemplateView(Struct, kw_only=True):
    """A kind of protection."""

    id: int
    name: str
    description: str | None
    fields: list[TemplateFieldView]

    @classmethod
    def of(cls, template: DdosTemplate) -> "TemplateView":
        """Show a template."""
        fields = [TemplateFieldView.of(asked) for asked in template.fields]
        return cls(id=template.id, name=template.name, description=template.description, fields=fields)


class ProfileFieldView(Struct, kw_only=True):
    """What a profile answers to a field of its template."""

    id: int
    name: str
    description: str | None
    field_type: str | None
    required: bool | None
    default: str | None
    validation_schema: Any
    base_field: int
    field_value: Any

    @classmethod
    def of(cls, answer: dict[str, Any], asked: DdosTemplateField) -> "ProfileFieldView":
        """Show an answer with what was asked."""
        return cls(
            id=answer.get("id", asked.id),
            name=asked.name,
            description=asked.description,
            field_type=asked.field_type,
            required=asked.required,
            default=asked.default,
            validation_schema=asked.validation_schema,
            base_field=asked.id,
            field_value=answer.get("field_value", answer.get("value")),
        )


class ProfileOptions(Struct, kw_only=True):
    """Whether protection is on, and by BGP."""

    active: bool
    bgp: bool


class ProfileStatus(Struct, kw_only=True):
    """Active, Queued or Error."""

    status: str
    error_description: str


class DdosProfileView(Struct, kw_only=True):
    """The protection of an instance's address."""

    id: int
    site: str | None
    options: ProfileOptions
    status: ProfileStatus | None
    profile_template: TemplateView | None
    profile_template_description: str | None
    fields: list[ProfileFieldView]
    protocols: list[dict[str, Any]] | None

    @classmethod
    def of(cls, profile: DdosProfile, template: DdosTemplate | None) -> "DdosProfileView":
        """Show a profile with the template it was made from; empty rather than null, as strict clients insist."""
        return cls(
            id=profile.id,
            site=profile.site or "",
            options=ProfileOptions(active=profile.active, bgp=profile.bgp),
            status=ProfileStatus(status=profile.status, error_description=profile.error_description),
            profile_template=None if template is None else TemplateView.of(template),
            profile_template_description=None if template is None else template.description,
            fields=_fields(profile, template),
            protocols=profile.protocols or [],
        )


class BlackholePortView(Struct, kw_only=True, rename=ALARM_NAMES):
    """An alarm on an address; while it goes on, its end is in the year 1."""

    id: int
    state: str
    start: str
    end: str
    duration: str
    ip: str

    @classmethod
    def of(cls, port: BlackholePort) -> "BlackholePortView":
        """Show an alarm."""
        ended = port.ended_at
        return cls(
            id=port.id,
            state=port.alarm_state,
            start=format_zulu(port.started_at),
            end=NEVER if ended is None else format_zulu(ended),
            duration="ongoing" if ended is None else _lasting(ended - port.started_at),
            ip=port.destination_ip,
        )


class NewProfileField(Struct, kw_only=True):
    """An answer to a field of the template: any JSON in `field_value`, or text in `value`."""

    base_field: int
    field_value: Any = None
    value: str | None = None

    def answer(self) -> dict[str, Any]:
        """The answer as the rules take it."""
        given = self.value if self.field_value is None else self.field_value
        return {"base_field": self.base_field, "field_value": given}


class NewProfile(Struct, kw_only=True):
    """The protection that an interface is attached with."""

    profile_template: int
    profile_template_name: str | None = None
    fields: list[NewProfileField] = field(default_factory=list)

    def new_profile(self) -> NewDdosProfile:
        """Return the template and the answers to its fields."""
        return NewDdosProfile(template_id=self.profile_template, answers=[answer.answer() for answer in self.fields])


def _fields(profile: DdosProfile, template: DdosTemplate | None) -> list[ProfileFieldView]:
    asked = {} if template is None else {entry.id: entry for entry in template.fields}
    answers = [answer for answer in profile.fields if answer.get("base_field") in asked]
    return [ProfileFieldView.of(answer, asked[answer["base_field"]]) for answer in answers]


def _lasting(us: int) -> str:
    count, unit = (us // HOUR, "hour") if us >= HOUR else (us // MINUTE, "minute")
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
