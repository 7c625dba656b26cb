"""User actions: the audit log."""

from typing import Any

from msgspec import Struct

from pileus.domain.context import Context
from pileus.domain.secret_names import without_secrets


class AuditEntry(Struct, frozen=True):
    """An entry that a change adds to the audit log. It is searched by `name`, or else by the name in `data`.

    Secrets in `data` are hidden when the entry is written.
    """

    api_group: str
    action_type: str
    resource_id: str | int
    data: dict[str, Any] | None = None
    name: str | None = None


class UserAction(Struct, frozen=True, kw_only=True):
    """An entry of the audit log, written in the transaction of the change; `acknowledged` by all its subscribers."""

    id: str
    client_id: int
    user_id: int
    email: str | None
    token_id: int | None
    project_id: int | None
    region_id: int | None
    api_group: str
    action_type: str
    action_data: dict[str, Any] | None
    resources: list[dict[str, Any]]
    task_id: str | None
    source_user_ip: str | None
    user_agent: str | None
    created_at: int
    acknowledged: bool = False


def new_user_action(ctx: Context, entry: AuditEntry, task_id: str | None) -> UserAction:
    """Create the record of an entry for an action on one resource, without the secrets in its data."""
    resource = {"resource_id": str(entry.resource_id), "resource_type": entry.api_group}
    if name := entry.name or (entry.data or {}).get("name"):
        resource["search_field"] = name
    return UserAction(
        id=ctx.new_ordered_id(),
        client_id=ctx.caller.client_id,
        user_id=ctx.caller.user_id,
        email=ctx.caller.email,
        token_id=ctx.caller.token_id,
        project_id=ctx.place.project_id or None,
        region_id=ctx.place.region_id or None,
        api_group=entry.api_group,
        action_type=entry.action_type,
        action_data=None if entry.data is None else without_secrets(entry.data),
        resources=[resource],
        task_id=task_id,
        source_user_ip=ctx.source_ip,
        user_agent=ctx.user_agent,
        created_at=ctx.now(),
    )
