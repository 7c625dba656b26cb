"""DDoS protection: profiles of addresses, their templates, and blackholed addresses."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, ClassVar, Self

from msgspec import Struct, field
from msgspec.structs import replace

from pileus.domain.errors import Invalid
from pileus.domain.resources import TenantResource


class DdosProfileStatus(StrEnum):
    """The states of a DDoS profile."""

    ACTIVE = "Active"
    QUEUED = "Queued"
    ERROR = "Error"


class DdosTemplateField(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A parameter of a template; `validation_schema` is the JSON schema of its value."""

    id: int
    name: str
    description: str | None = None
    field_type: str | None = None
    required: bool | None = None
    default: str | None = None
    validation_schema: Any = None


class DdosTemplate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of protection that profiles are created from. Templates are part of the catalogue."""

    id: int
    name: str
    description: str | None = None
    fields: list[DdosTemplateField] = field(default_factory=list)


class NewDdosProfile(Struct, frozen=True, kw_only=True):
    """A DDoS profile to create: its template, and answers to the template's fields.

    Each answer has the keys `base_field` (the field's id) and `field_value`, and `value` if it was given as text.
    """

    template_id: int
    answers: list[dict[str, Any]] = field(default_factory=list)


class DdosProfile(TenantResource, frozen=True, kw_only=True):
    """The protection of one address; `status` is one of Active, Queued, Error."""

    NOUN: ClassVar[str] = "DDoS profile"

    id: int
    ip_address: str
    template_id: int
    fields: list[dict[str, Any]] = field(default_factory=list)
    protocols: list[dict[str, Any]] | None = None
    active: bool = True
    bgp: bool = True
    site: str | None = None
    status: str = DdosProfileStatus.ACTIVE
    error_description: str = ""

    def locked(self, task_id: str) -> Self:
        """Lock the profile for a task that changes the protection. Raises Conflict if a task has locked it."""
        return replace(self.require_unlocked(), task_id=task_id, status=DdosProfileStatus.QUEUED.value)

    def unlocked(self, *, error: str = "") -> Self:
        """Unlock the profile: Active, or Error if there is an error text."""
        status = DdosProfileStatus.ERROR if error else DdosProfileStatus.ACTIVE
        return replace(self, task_id=None, status=status.value, error_description=error)


class BlackholePort(Struct, frozen=True, kw_only=True):
    """An alarm on an address; `ended_at` is None while the alarm lasts.

    Only the tenant `client_id` sees it, or whoever has the address if `client_id` is 0.
    """

    id: int
    client_id: int
    region_id: int
    destination_ip: str
    alarm_state: str
    started_at: int
    ended_at: int | None = None


def complete_template_answers(template: DdosTemplate, answers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the value of each field of a template, from the answers or the defaults. Raises Invalid."""
    fields = {template_field.id: template_field for template_field in template.fields}
    values = {answer["base_field"]: answer.get("field_value") for answer in answers}
    texts = {answer["base_field"]: {"value": answer["value"]} for answer in answers if "value" in answer}
    errors = [f"Template {template.id} has no field {field_id}" for field_id in values if field_id not in fields]
    errors += [
        f"Field {template_field.id} ({template_field.name}) is required"
        for template_field in template.fields
        if template_field.required and template_field.default is None and values.get(template_field.id) is None
    ]
    if errors:
        raise Invalid(f"Validation Error: {{'fields': {errors}}}", {"fields": errors})
    return [
        {"base_field": template_field.id, "field_value": values.get(template_field.id, template_field.default)}
        | texts.get(template_field.id, {})
        for template_field in template.fields
        if template_field.id in values or template_field.default is not None
    ]
