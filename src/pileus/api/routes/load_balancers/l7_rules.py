"""Routes of the rules of L7 policies."""

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import READ, WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.paging import Limit, Offset
from pileus.api.wire.load_balancers.l7_policies import L7RuleView
from pileus.api.wire.load_balancers.l7_requests import CreateL7Rule, UpdateL7Rule
from pileus.api.wire.paging import Page
from pileus.api.wire.tasks import TaskIds
from pileus.domain.load_balancers.l7_rules import L7Rule
from pileus.domain.load_balancers.operating_statuses import part_status
from pileus.services.load_balancers import l7_rules as l7_rule_service
from pileus.store.load_balancers import l7_policies, l7_rules

ALL = "/cloud/v1/l7policies/{project_id:int}/{region_id:int}/{l7_policy_id:str}/rules"
ONE = f"{ALL}/{{l7_rule_id:str}}"
TAGS = ["Load Balancers"]


@get(ALL, opt=READ, tags=TAGS)
async def list_l7_rules(
    ctx: Ctx, l7_policy_id: FromPath[str], limit: Limit = 1000, offset: Offset = 0
) -> Page[L7RuleView]:
    """List the rules of an L7 policy, the oldest first. The policy matches a request if all of them do."""
    async with ctx.db.read() as tx:
        await l7_policies.get(tx, ctx.place, l7_policy_id)
        count, records = await l7_rules.page(tx, l7_policy_id, limit=limit, offset=offset)
    return Page(count=count, results=[_rule_view(ctx, rule) for rule in records])


@post(ALL, opt=WRITE, status_code=200, tags=TAGS)
async def create_l7_rule(ctx: Ctx, l7_policy_id: FromPath[str], data: JSONBody[CreateL7Rule]) -> TaskIds:
    """Add a rule to an L7 policy, which has at most 50.

    HEADER, COOKIE and SSL_DN_FIELD need a `key`; other types have none. FILE_TYPE compares by EQUAL_TO and REGEX,
    SSL_CONN_HAS_CERT and SSL_VERIFY_RESULT by EQUAL_TO, the others by all. A regular expression must compile, and its
    counts of repetitions multiply to at most 1000.
    """
    return await ctx.submit_task(
        lambda tx, task_id: l7_rule_service.create_l7_rule(tx, ctx, l7_policy_id, data.to_new_l7_rule(), task_id)
    )


@get(ONE, opt=READ, tags=TAGS)
async def get_l7_rule(ctx: Ctx, l7_policy_id: FromPath[str], l7_rule_id: FromPath[str]) -> L7RuleView:
    """Get a rule of an L7 policy."""
    async with ctx.db.read() as tx:
        await l7_policies.get(tx, ctx.place, l7_policy_id)
        return _rule_view(ctx, await l7_rules.require_of_policy(tx, l7_policy_id, l7_rule_id))


@put(ONE, opt=WRITE, status_code=200, tags=TAGS)
async def replace_l7_rule(
    ctx: Ctx, l7_policy_id: FromPath[str], l7_rule_id: FromPath[str], data: JSONBody[UpdateL7Rule]
) -> TaskIds:
    """Change a rule of an L7 policy. Absent fields stay. A rule whose new type has no key loses its key."""
    return await ctx.submit_task(
        lambda tx, task_id: l7_rule_service.replace_l7_rule(
            tx, ctx, l7_policy_id, l7_rule_id, data.to_l7_rule_patch(), task_id
        )
    )


@delete(ONE, opt=WRITE, status_code=200, tags=TAGS)
async def delete_l7_rule(ctx: Ctx, l7_policy_id: FromPath[str], l7_rule_id: FromPath[str]) -> TaskIds:
    """Delete a rule of an L7 policy."""
    return await ctx.submit_task(
        lambda tx, task_id: l7_rule_service.delete_l7_rule(tx, ctx, l7_policy_id, l7_rule_id, task_id)
    )


def _rule_view(ctx: RequestContext, rule: L7Rule) -> L7RuleView:
    return L7RuleView.of(rule, part_status(rule), ctx.require_region().display_name)


ROUTES = [list_l7_rules, create_l7_rule, get_l7_rule, replace_l7_rule, delete_l7_rule]
