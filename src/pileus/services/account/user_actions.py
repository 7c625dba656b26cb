"""The audit log: who changed what."""

from pileus.domain.account.user_actions import AuditEntry, new_user_action
from pileus.domain.context import Context
from pileus.domain.ids import parse_id_time
from pileus.store.account import user_actions
from pileus.store.database import Tx


async def write_audit_entry(tx: Tx, ctx: Context, entry: AuditEntry, *, task_id: str | None = None) -> None:
    """Write an entry of the audit log, in the transaction of the change that it records."""
    action = new_user_action(ctx, entry, task_id)
    await user_actions.add(tx, action, parse_id_time(action.id))
