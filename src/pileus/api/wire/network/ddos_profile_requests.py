"""Request bodies of DDoS profiles."""

from typing import Annotated, Any

from msgspec import Meta, Struct, field

from pileus.api.wire.constraints import Number
from pileus.domain.limits import DDOS_FIELDS
from pileus.domain.network.ddos_profiles import NewDdosProfile

AtMostFields = Meta(max_length=DDOS_FIELDS.value)


class DdosFieldAnswer(Struct, kw_only=True):
    """The answer to a field of the template: any JSON in `field_value`, or text in `value`."""

    base_field: Number
    field_value: Any = None
    value: Annotated[str, Meta(max_length=500)] | None = None

    def to_answer(self) -> dict[str, Any]:
        """Return the answer as the domain takes it."""
        if self.value is None or self.field_value is not None:
            return {"base_field": self.base_field, "field_value": self.field_value}
        return {"base_field": self.base_field, "field_value": self.value, "value": self.value}


class NewInterfaceDdosProfile(Struct, kw_only=True):
    """The DDoS profile that a new interface is protected by."""

    profile_template: int
    profile_template_name: str | None = None
    fields: Annotated[list[DdosFieldAnswer], AtMostFields] = field(default_factory=list)

    def to_new_profile(self) -> NewDdosProfile:
        """Return the profile to create."""
        return NewDdosProfile(template_id=self.profile_template, answers=[entry.to_answer() for entry in self.fields])


class CreateDdosProfile(Struct, kw_only=True):
    """The address to protect, the template, and the answers to its fields."""

    ip_address: str
    profile_template: Number
    fields: Annotated[list[DdosFieldAnswer], AtMostFields] = field(default_factory=list)

    def to_new_profile(self) -> NewDdosProfile:
        """Return the profile to create."""
        return NewDdosProfile(template_id=self.profile_template, answers=[entry.to_answer() for entry in self.fields])


class SwitchDdosProfile(Struct, kw_only=True):
    """The switches of a DDoS profile: active or not, with BGP or not."""

    active: bool
    bgp: bool
