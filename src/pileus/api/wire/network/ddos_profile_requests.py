"""Request bodies of DDoS profiles."""

from typing import Any

from msgspec import Struct, field

from pileus.api.wire.constraints import Number
from pileus.domain.network.ddos_profiles import NewDdosProfile


class InterfaceDdosFieldAnswer(Struct, kw_only=True):
    """The answer to a field of the template: any JSON in `field_value`, or text in `value`."""

    base_field: int
    field_value: Any = None
    value: str | None = None

    def to_answer(self) -> dict[str, Any]:
        """Return the answer as the domain takes it."""
        value = self.value if self.field_value is None else self.field_value
        return {"base_field": self.base_field, "field_value": value}


class NewInterfaceDdosProfile(Struct, kw_only=True):
    """The DDoS profile that a new interface is protected by."""

    profile_template: int
    profile_template_name: str | None = None
    fields: list[InterfaceDdosFieldAnswer] = field(default_factory=list)

    def to_new_profile(self) -> NewDdosProfile:
        """Return the profile to create."""
        return NewDdosProfile(template_id=self.profile_template, answers=[entry.to_answer() for entry in self.fields])


class DdosFieldAnswer(Struct, kw_only=True):
    """The answer to a field of the template: any JSON."""

    base_field: Number
    field_value: Any = None


class CreateDdosProfile(Struct, kw_only=True):
    """The address to protect, the template, and the answers to its fields."""

    ip_address: str
    profile_template: Number
    fields: list[DdosFieldAnswer] = field(default_factory=list)

    def to_new_profile(self) -> NewDdosProfile:
        """Return the profile to create."""
        answers = [{"base_field": entry.base_field, "field_value": entry.field_value} for entry in self.fields]
        return NewDdosProfile(template_id=self.profile_template, answers=answers)


class SwitchDdosProfile(Struct, kw_only=True):
    """The switches of a DDoS profile: active or not, with BGP or not."""

    active: bool
    bgp: bool
