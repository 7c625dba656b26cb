"""User actions: the audit log."""

from typing import Any

from msgspec import Struct

from pileus.domain.places import Caller


class AuditEntry(Struct, frozen=True):
    """What a change adds to the audit log; it can be searched by `name`, or else by the name in `data`."""

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


def new_user_action(  # noqa: PLR0913  # the fields of the record
    caller: Caller,
    api_group: str,
    action_type: str,
    *,
    action_id: str,
    now: int,
    resource_id: str,
    search_field: str | None = None,
    project_id: int | None = None,
    region_id: int | None = None,
    action_data: dict[str, Any] | None = None,
    task_id: str | None = None,
    source_user_ip: str | None = None,
    user_agent: str | None = None,
) -> UserAction:
    """Create the entry for an action on one resource; `search_field` is its name."""
    resource = {"resource_id": resource_id, "resource_type": api_group}
    return UserAction(
        id=action_id,
        client_id=caller.client_id,
        user_id=caller.user_id,
        email=caller.email,
        token_id=caller.token_id,
        project_id=project_id,
        region_id=region_id,
        api_group=api_group,
        action_type=action_type,
        action_data=action_data,
        resources=[resource | ({"search_field": search_field} if search_field else {})],
        task_id=task_id,
        source_user_ip=source_user_ip,
        user_agent=user_agent,
        created_at=now,
    )
