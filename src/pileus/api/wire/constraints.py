"""Types of single values in request bodies, with their constraints."""

from typing import Annotated, Any, Literal

from msgspec import Meta

from pileus.domain import limits
from pileus.domain.limits import Limit
from pileus.domain.names import NAME_PATTERN, TEMPLATE_PATTERN

# Python's `$` also matches before a line break at the end; the API's patterns mean the end itself.
END = r"(?!\n)$"

Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
NameTemplate = Annotated[str, Meta(pattern=TEMPLATE_PATTERN)]
Description = Annotated[str, Meta(max_length=limits.DESCRIPTION.value)]
Uuid = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}" + END)]
MacAddress = Annotated[str, Meta(pattern=r"^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}" + END)]
InterfaceName = Annotated[str, Meta(max_length=37)]
AttachmentTag = Annotated[str, Meta(pattern=r"^[^,/]{1,60}" + END)]
PortGroup = Annotated[int, Meta(ge=0, le=3)]
Number = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Size = Annotated[int, Meta(ge=1, le=2**31 - 1)]


def at_most_properties(limit: Limit, **rules: Any) -> Meta:
    """Constrain the number of entries of a map. The OpenAPI generator knows no such constraint by itself."""
    return Meta(max_length=limit.value, extra_json_schema={"extra": {"max_properties": limit.value}}, **rules)


IpFamily = Literal["dual", "ipv4", "ipv6"]
VolumeType = Literal["cold", "ssd_hiiops", "ssd_local", "ssd_lowlatency", "standard", "ultra"]
SnapshotVolumeType = Literal["ssd_hiiops", "standard"]
RetypableVolumeType = Literal["ssd_hiiops", "standard"]
VolumeSourceName = Literal["apptemplate", "existing-volume", "image", "new-volume", "snapshot"]
InterfaceTypeName = Literal["any_subnet", "external", "reserved_fixed_ip", "subnet"]
