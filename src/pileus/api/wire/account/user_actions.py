"""The audit log as the API returns it."""

from typing import Any

import msgspec
from msgspec import Struct

from pileus.api.wire.times import colon_offset
from pileus.domain.account.user_actions import UserAction


class UserActionView(Struct, kw_only=True):
    """One entry of the audit log. `resources` are the changed resources."""

    id: str
    timestamp: str
    client_id: int | None
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
    issued_by_user_id: int | None
    acknowledged: bool
    is_complete: bool
    total_price: dict[str, Any] | None

    @classmethod
    def of(cls, action: UserAction) -> "UserActionView":
        """Make the view of an entry. Entries are always complete, as they are written at once."""
        return cls(
            id=action.id,
            timestamp=colon_offset(action.created_at),
            client_id=action.client_id,
            user_id=action.user_id,
            email=action.email,
            token_id=action.token_id,
            project_id=action.project_id,
            region_id=action.region_id,
            api_group=action.api_group,
            action_type=action.action_type,
            action_data=action.action_data,
            resources=action.resources,
            task_id=action.task_id,
            source_user_ip=action.source_user_ip,
            user_agent=action.user_agent,
            issued_by_user_id=None,
            acknowledged=action.acknowledged,
            is_complete=True,
            total_price=None,
        )


def encode_audit_event(action: UserAction) -> bytes:
    """Encode an entry for subscribers."""
    return msgspec.json.encode(UserActionView.of(action))
