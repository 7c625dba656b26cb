"""The audit log: who changed what."""

from pileus.domain.account.user_actions import AuditEntry, new_user_action
from pileus.domain.context import Context
from pileus.store.account import user_actions
from pileus.store.database import Tx


async def audit(tx: Tx, ctx: Context, entry: AuditEntry, *, task_id: str | None = None) -> None:
    """Write an entry of the audit log, in the transaction of the change that it records."""
    action = new_user_action(
        ctx.caller,
        entry.api_group,
        entry.action_type,
        action_id=ctx.new_id(),
        now=ctx.now(),
        resource_id=str(entry.resource_id),
        search_field=entry.name or (entry.data or {}).get("name"),
        project_id=ctx.place.project_id or None,
        region_id=ctx.place.region_id or None,
        action_data=entry.data,
        task_id=task_id,
        source_user_ip=ctx.source_ip,
        user_agent=ctx.user_agent,
    )
    await user_actions.add(tx, action)
