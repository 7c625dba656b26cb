"""Access rules of file shares: each request returns when the driver has applied it."""

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.driver_errors import translate_driver_errors
from pileus.api.paging import Limit, Offset
from pileus.api.routes.storage.file_shares import ONE, require_file_shares
from pileus.api.wire.paging import Page
from pileus.api.wire.storage.file_share_requests import CreateAccessRule
from pileus.api.wire.storage.file_shares import AccessRuleView
from pileus.domain.errors import Conflict, Unavailable
from pileus.domain.storage.file_shares import AccessRule, AccessRuleState
from pileus.drivers.protocols.storage import ShareAccess, SupportsFileShares
from pileus.services.storage import share_access_rules as access_rule_service
from pileus.store.storage import file_shares

ALL = f"{ONE}/access_rule"


@get(ALL, opt=READ, tags=["File Shares"])
async def list_access_rules(
    ctx: Ctx, file_share_id: FromPath[str], limit: Limit = 1000, offset: Offset = 0
) -> Page[AccessRuleView]:
    """List the access rules of a file share, oldest first."""
    async with ctx.db.read() as tx:
        await file_shares.get(tx, ctx.place, file_share_id)
        rules = await file_shares.list_rules(tx, file_share_id)
    return Page(count=len(rules), results=[AccessRuleView.of(rule) for rule in rules[offset : offset + limit]])


@post(ALL, opt=WRITE, status_code=200, tags=["File Shares"])
async def create_access_rule(
    ctx: Ctx, file_share_id: FromPath[str], data: JSONBody[CreateAccessRule]
) -> AccessRuleView:
    """Let an address or a range mount a standard file share, to read (`ro`) or to read and write (`rw`)."""
    new, driver = data.to_new_rule(), require_file_shares(ctx)
    rule = await ctx.write(lambda tx: access_rule_service.add_access_rule(tx, ctx, file_share_id, new))
    try:
        with translate_driver_errors():
            await driver.ensure_share_access(ShareAccess.of(rule))
    except (Conflict, Unavailable):
        # Nothing is known about the access. It must not stay in force without a rule.
        await _revoke(ctx, driver, rule)
        await ctx.write(lambda tx: access_rule_service.remove_access_rule(tx, rule.id, AccessRuleState.APPLYING))
        raise
    active = await ctx.write(lambda tx: access_rule_service.activate(tx, rule))
    if active is None:
        await _revoke(ctx, driver, rule)
        raise Conflict(f"Access rule {rule.id} was deleted while it was applied")
    return AccessRuleView.of(active)


@delete(f"{ALL}/{{access_rule_id:str}}", opt=WRITE, status_code=204, tags=["File Shares"])
async def delete_access_rule(ctx: Ctx, file_share_id: FromPath[str], access_rule_id: FromPath[str]) -> None:
    """Delete an access rule: its addresses can no longer mount the file share."""
    driver = require_file_shares(ctx)
    rule = await ctx.write(lambda tx: access_rule_service.start_to_deny(tx, ctx, file_share_id, access_rule_id))
    with translate_driver_errors():
        await driver.ensure_no_share_access(file_share_id, rule.id)
    await ctx.write(lambda tx: access_rule_service.remove_access_rule(tx, rule.id, AccessRuleState.DENYING))


async def _revoke(ctx: RequestContext, driver: SupportsFileShares, rule: AccessRule) -> None:
    """End the access of a rule that does not become active; if that fails, keep the rule, so that it can be deleted."""
    try:
        with translate_driver_errors():
            await driver.ensure_no_share_access(rule.file_share_id, rule.id)
    except (Conflict, Unavailable):
        await ctx.write(lambda tx: access_rule_service.keep_failed_rule(tx, rule))
        raise


ROUTES = [list_access_rules, create_access_rule, delete_access_rule]
