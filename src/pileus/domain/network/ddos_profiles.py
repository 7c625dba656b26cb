"""DDoS protection: profiles of addresses, and the ports a mitigation has blackholed."""

from typing import Any

from msgspec import Struct, field


class DdosTemplateField(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that a template lets its profiles set; `validation_schema` is the JSON schema of its value."""

    id: int
    name: str
    description: str | None = None
    field_type: str | None = None
    required: bool | None = None
    default: str | None = None
    validation_schema: Any = None


class DdosTemplate(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of protection that profiles are made from; it stands in the catalogue."""

    id: int
    name: str
    description: str | None = None
    fields: list[DdosTemplateField] = field(default_factory=list)


class NewDdosProfile(Struct, frozen=True, kw_only=True):
    """A DDoS profile to create: its template, and answers to the template's fields.

    Each answer has the keys `base_field` (the field's id) and `field_value`.
    """

    template_id: int
    answers: list[dict[str, Any]] = field(default_factory=list)


class DdosProfile(Struct, frozen=True, kw_only=True):
    """The protection of one address; `status` is one of Active, Queued, Error."""

    id: int
    client_id: int
    project_id: int
    region_id: int
    ip_address: str
    template_id: int
    fields: list[dict[str, Any]] = field(default_factory=list)
    protocols: list[dict[str, Any]] | None = None
    active: bool = True
    bgp: bool = False
    site: str | None = None
    status: str = "Active"
    error_description: str = ""
    task_id: str | None = None
    created_at: int
    revision: int = 1


class BlackholePort(Struct, frozen=True, kw_only=True):
    """An alarm on an address; `ended_at` is None while it goes on."""

    id: int
    region_id: int
    destination_ip: str
    alarm_state: str
    started_at: int
    ended_at: int | None = None
