"""Security groups: the rules that ports are guarded by."""

from msgspec import Struct


class SecurityGroup(Struct, frozen=True, kw_only=True):
    """A named set of rules; each project has a default one in each region."""

    id: str
    client_id: int
    project_id: int
    region_id: int
    name: str
    description: str = ""
    is_default: bool = False
    task_id: str | None = None
    creator_task_id: str | None = None
    created_at: int
    updated_at: int
    revision: int = 1


class SecurityGroupRule(Struct, frozen=True, kw_only=True):
    """What may pass; None in a field means any."""

    id: str
    security_group_id: str
    direction: str
    ethertype: str | None = "IPv4"
    protocol: str | None = None
    port_range_min: int | None = None
    port_range_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    description: str | None = None
    created_at: int
    updated_at: int
    revision: int = 1
