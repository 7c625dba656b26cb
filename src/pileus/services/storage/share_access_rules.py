"""Access rules of file shares: saved, then applied by the driver, then active."""

from msgspec.structs import replace

from pileus.domain import limits
from pileus.domain.account.user_actions import AuditEntry
from pileus.domain.context import Context
from pileus.domain.errors import Conflict
from pileus.domain.storage.file_shares import AccessRule, AccessRuleState, NewAccessRule
from pileus.services.account.user_actions import write_audit_entry
from pileus.services.storage.file_shares import GROUP
from pileus.store.database import Tx
from pileus.store.storage import file_shares


async def add_access_rule(tx: Tx, ctx: Context, share_id: str, new: NewAccessRule) -> AccessRule:
    """Save a rule that the driver does not know yet. Raises NotFound, Invalid or Conflict."""
    share = (await file_shares.lock(tx, ctx.place, share_id)).require_access_rules()
    existing = await file_shares.list_rules(tx, share_id)
    limits.check_count("access", len(existing) + 1, limits.SHARE_ACCESS_RULES.value)
    if any(rule.access_to == new.access_to for rule in existing):
        raise Conflict(f"File share {share_id} has an access rule for {new.access_to} already")
    rule = AccessRule(
        id=ctx.new_id(),
        file_share_id=share.id,
        access_to=new.access_to,
        access_level=new.access_level,
        state=AccessRuleState.APPLYING.value,
        created_at=ctx.now(),
    )
    await file_shares.add_rules(tx, [rule])
    audit_data = {"rule_id": rule.id, "access_to": rule.access_to, "access_level": rule.access_level}
    await write_audit_entry(tx, ctx, AuditEntry(GROUP, "create_access_rule", share_id, audit_data, name=share.name))
    return rule


async def activate(tx: Tx, rule: AccessRule) -> AccessRule | None:
    """Save that the driver grants access, and return the rule; None if it is gone or ends: the access is to end too."""
    active = replace(rule, state=AccessRuleState.ACTIVE.value)
    is_applying = await file_shares.change_rule_state(tx, rule.id, AccessRuleState.APPLYING, active.state)
    return active if is_applying else None


async def keep_failed_rule(tx: Tx, rule: AccessRule) -> None:
    """Save a rule whose access may be in force, though it was to end: a client can delete it.

    Does nothing if the file share is gone, and its access with it.
    """
    failed = replace(rule, state=AccessRuleState.ERROR.value)
    if await file_shares.find(tx, rule.file_share_id) and not await file_shares.set_rule_state(
        tx, rule.id, failed.state
    ):
        await file_shares.add_rules(tx, [failed])


async def remove_access_rule(tx: Tx, rule_id: str, state: AccessRuleState) -> None:
    """Delete a rule whose access has ended, unless its state has changed meanwhile."""
    await file_shares.remove_rule(tx, rule_id, state)


async def start_to_deny(tx: Tx, ctx: Context, share_id: str, rule_id: str) -> AccessRule:
    """Save that a rule ends, before the driver ends it. Raises NotFound, Invalid or Conflict."""
    share = (await file_shares.lock(tx, ctx.place, share_id)).require_access_rules()
    rule = await file_shares.require_rule(tx, share_id, rule_id)
    await file_shares.set_rule_state(tx, rule_id, AccessRuleState.DENYING)
    audit_data = {"rule_id": rule.id, "access_to": rule.access_to}
    await write_audit_entry(tx, ctx, AuditEntry(GROUP, "delete_access_rule", share_id, audit_data, name=share.name))
    return rule
