"""The audit log as the API returns it."""

from typing import Any

import msgspec
from msgspec import Struct

from pileus.api.wire.common import make_view
from pileus.api.wire.times import format_with_colon_offset
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
        return make_view(
            cls,
            action,
            timestamp=format_with_colon_offset(action.created_at),
            issued_by_user_id=None,
            is_complete=True,
            total_price=None,
        )


def encode_audit_event(action: UserAction) -> bytes:
    """Encode an entry for subscribers."""
    return msgspec.json.encode(UserActionView.of(action))
