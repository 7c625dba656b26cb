"""Bodies of requests about placement groups."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

GroupName = Annotated[str, Meta(pattern=r"^[a-zA-Z0-9][a-zA-Z 0-9._\-]{1,108}[a-zA-Z0-9._](?!\n)$")]
PolicyName = Literal["affinity", "anti-affinity", "soft-anti-affinity"]


class CreatePlacementGroup(Struct, kw_only=True):
    """A placement group to create; its policy cannot be changed later."""

    name: GroupName
    policy: PolicyName
