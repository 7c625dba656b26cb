"""Security groups as older clients make and change them: at once, rule by rule."""

from litestar import patch, post
from litestar.params import FromPath, JSONBody

from pileus.api.auth import WRITE
from pileus.api.call import Call, Here
from pileus.api.guarding import Change, change, create, tell_ports
from pileus.api.routes.network.security_group_views import show_group
from pileus.api.wire.network.security_groups import CreateOlderGroup, DropRule, SecurityGroupView, UpdateOlderGroup
from pileus.domain.network.security_rules import SecurityGroupRule, added, fresh, without
from pileus.domain.tags import checked, tagged
from pileus.store.compute import instances
from pileus.store.database import Tx
from pileus.store.network import ports, security_groups

ALL = "/cloud/v1/securitygroups/{project_id:int}/{region_id:int}"


@post(ALL, opt=WRITE, status_code=200, deprecated=True, tags=["Security Groups"])
async def create_group_at_once(call: Here, data: JSONBody[CreateOlderGroup]) -> SecurityGroupView:
    """Make a security group, let it guard instances, and answer with it. Use version 2 instead."""
    call.region()
    wish, task_id = data.security_group, call.cloud.new_id()
    its = tagged(checked(wish.tags or wish.metadata or {}).items())
    rules = None if wish.security_group_rules is None else [rule.rule() for rule in wish.security_group_rules]

    async def write(tx: Tx) -> tuple[str, list[str]]:
        made = await create(tx, call, task_id, name=wish.name, description=wish.description or "", rules=rules, its=its)
        return made.id, [
            await _guarded(tx, call, instance_id, made.id) for instance_id in dict.fromkeys(data.instances)
        ]

    made, told = await call.db.write(write)
    for each in (task_id, *told):
        await call.ended(each)
    return await show_group(call, made)


@patch(f"{ALL}/{{group_id:str}}", opt=WRITE, deprecated=True, tags=["Security Groups"])
async def update_group_at_once(
    call: Here, group_id: FromPath[str], data: JSONBody[UpdateOlderGroup]
) -> SecurityGroupView:
    """Change a security group, rule by rule, and answer with it. Use version 2 instead."""

    async def write(tx: Tx) -> str | None:
        group = await security_groups.get(tx, call.place, group_id)
        rules = _edited(call, group_id, await security_groups.rules_of(tx, group_id), data)
        return await change(tx, call, group, Change(name=data.name, rules=rules, tags=data.retagging()))

    await call.ended(await call.db.write(write))
    return await show_group(call, group_id)


def _edited(
    call: Call, group_id: str, rules: list[SecurityGroupRule], data: UpdateOlderGroup
) -> list[SecurityGroupRule]:
    for each in data.changed_rules:
        if isinstance(each, DropRule):
            rules = without(rules, each.security_group_rule_id)
        else:
            rules = added(rules, fresh(group_id, each.rule(), call.cloud.new_id(), call.cloud.now()))
    return rules


async def _guarded(tx: Tx, call: Call, instance_id: str, group_id: str) -> str:
    """Let a group guard an instance; the task that tells it."""
    instance = await instances.get(tx, call.place, instance_id)
    await instances.touch(tx, instance.unlocked().guardable())
    secured = [port.id for port in await ports.of_instance(tx, instance_id) if port.port_security_enabled]
    for port_id in secured:
        await security_groups.guard(tx, port_id, [group_id])
    return await tell_ports(tx, call, secured)


ROUTES = [create_group_at_once, update_group_at_once]
