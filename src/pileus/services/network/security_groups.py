"""Security groups: what one transaction writes before the task that tells the driver."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct, field, to_builtins

from pileus.api.context import RequestContext
from pileus.domain.network.security_groups import SecurityGroup, default_group, default_rules, new_group
from pileus.domain.network.security_rules import NewRule, SecurityGroupRule, replace_rules
from pileus.domain.tags import TagPatch, Tags, merged
from pileus.services.account.request_quotas import check_quotas
from pileus.store import tags
from pileus.store.account import projects
from pileus.store.database import Tx
from pileus.store.network import security_groups


class SecurityGroupChange(Struct, frozen=True, kw_only=True):
    """What is to become of a group: None, and `{}` of `tags`, let it stay; tags of None take all of them away."""

    name: str | None = None
    description: str | None = None
    rules: Sequence[SecurityGroupRule] | None = None
    tags: TagPatch | None = field(default_factory=dict)


async def ensure_default_group(ctx: RequestContext) -> None:
    """Make the default group of a place, if it has none yet."""
    async with ctx.db.read() as tx:
        if await security_groups.default(tx, ctx.place) is not None:
            return

    async def write(tx: Tx) -> None:
        await projects.require(tx, ctx.place)
        if await security_groups.default(tx, ctx.place) is None:
            await security_groups.add(tx, *default_group(ctx.place, ctx.new_id, ctx.now()))

    await ctx.db.write(write)


async def create_security_group(  # each is a fact of its own
    tx: Tx,
    ctx: RequestContext,
    task_id: str,
    *,
    name: str,
    description: str,
    rules: Iterable[NewRule] | None,
    its: Tags,
) -> SecurityGroup:
    """Write a new group, held by the task that makes it; raises Invalid, Conflict or QuotaExceeded."""
    await projects.require_open(tx, ctx.place)
    new_id, now = ctx.new_id, ctx.now()
    await check_quotas(tx, ctx, {"firewall_count": 1})
    group = new_group(ctx.place, new_id, now, name, description=description).locked(task_id)
    wanted = default_rules(group) if rules is None else list(rules)
    records = replace_rules(group.id, wanted, [], new_id, now)
    await check_remote_groups(tx, ctx, records)
    await security_groups.add(tx, group, records)
    await tags.add(tx, security_groups.KIND, ctx.place, group.id, its)
    told = {"name": name, "description": description, "rules": to_builtins(wanted)}
    await ctx.start_task(
        tx, "create_security_group", task_id, {"group_id": group.id}, data={"group_id": group.id, **told}
    )
    await ctx.audit(tx, "securitygroup", "create", group.id, data=told, task_id=task_id)
    return group


async def update_security_group(  # each is a fact of its own
    tx: Tx,
    ctx: RequestContext,
    group: SecurityGroup,
    wanted: SecurityGroupChange,
    *,
    task_type: str = "update_security_group",
    new: str = "",
) -> str | None:
    """Lock a group and write down the task that changes it; its id, or None where nothing would change."""
    group = group.require_unlocked()
    args = await _changing(tx, ctx, group, wanted)
    if not args:
        return None
    task_id = ctx.new_id()
    await security_groups.save(tx, group, group.locked(task_id))
    args |= {"group_id": group.id, **({"created": new} if new else {})}
    await ctx.start_task(tx, task_type, task_id, args, data={"group_id": group.id})
    told = {name: value for name, value in args.items() if name != "group_id"}
    await ctx.audit(tx, "securitygroup", "update", group.id, data=told, task_id=task_id, name=group.name)
    return task_id


async def _changing(tx: Tx, ctx: RequestContext, group: SecurityGroup, wanted: SecurityGroupChange) -> dict[str, Any]:
    args: dict[str, Any] = {}
    for name in ("name", "description"):
        if getattr(wanted, name) not in (None, getattr(group, name)):
            args[name] = getattr(wanted, name)
    if wanted.rules is not None:
        there = await security_groups.rules_of(tx, group.id)
        await check_remote_groups(tx, ctx, wanted.rules)
        if {rule.id: rule.rule for rule in there} != {rule.id: rule.rule for rule in wanted.rules}:
            args["rules"] = to_builtins(wanted.rules)
    if wanted.tags != {}:
        old = await tags.of(tx, group.id)
        args |= {"tags": wanted.tags} if merged(old, wanted.tags) != old else {}
    return args


async def check_remote_groups(tx: Tx, ctx: RequestContext, rules: Iterable[SecurityGroupRule]) -> None:
    """Return if every group that rules speak of is one of the place's; raises NotFound."""
    for group_id in {rule.remote_group_id for rule in rules if rule.remote_group_id}:
        if all(rule.security_group_id != group_id for rule in rules):
            await security_groups.get(tx, ctx.place, group_id)


async def start_port_refresh(tx: Tx, ctx: RequestContext, port_ids: Sequence[str]) -> str:
    """Write down the task that tells interfaces which groups guard them by now; its id."""
    task_id = ctx.new_id()
    args = {"port_ids": list(port_ids)}
    await ctx.start_task(tx, "update_port", task_id, args, data=args)
    return task_id
