"""Routes of single rules of security groups."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from litestar import delete, post, put
from litestar.params import FromPath, JSONBody

from pileus.api.authorization import WRITE
from pileus.api.context import Ctx, RequestContext
from pileus.api.wire.network.security_group_requests import CreateSecurityGroupRule, ReplaceSecurityGroupRule
from pileus.api.wire.network.security_groups import SecurityGroupRuleView
from pileus.api.wire.tasks import TaskIds
from pileus.services.network import security_group_rules as rule_service
from pileus.store.database import Tx
from pileus.store.network import security_groups

PLACE = "{project_id:int}/{region_id:int}"
OF_GROUP = f"/cloud/v1/securitygroups/{PLACE}/{{group_id:str}}/rules"
ONE = f"/cloud/v1/securitygrouprules/{PLACE}/{{rule_id:str}}"
OF_GROUP_V2 = f"/cloud/v2/security_groups/{PLACE}/{{group_id:str}}/rules"
LOCK_PATIENCE = 5.0
"""Seconds that a request on a rule waits for the tasks that lock its group."""

T = TypeVar("T")
S = TypeVar("S")
StartTask = Callable[[Tx, str], Awaitable[T]]


class _GroupLockedError(Exception):
    """A task has locked the group."""

    def __init__(self, task_id: str) -> None:
        super().__init__(task_id)
        self.task_id = task_id


@post(OF_GROUP_V2, opt=WRITE, status_code=200, tags=["Security Groups"])
async def create_security_group_rule(
    ctx: Ctx, group_id: FromPath[str], data: JSONBody[CreateSecurityGroupRule]
) -> TaskIds:
    """Create a rule in a security group, in a task. If the group has an equal rule, the answer is 409.

    While another task works on the group, the request waits up to 5 seconds for it; then the answer is 409.
    """
    return await _submit_when_unlocked(
        ctx,
        ctx.submit_task,
        group_id,
        lambda tx, task_id: rule_service.create_security_group_rule(tx, ctx, group_id, data.to_new_rule(), task_id),
    )


@delete(f"{OF_GROUP_V2}/{{rule_id:str}}", opt=WRITE, status_code=200, tags=["Security Groups"])
async def delete_security_group_rule(ctx: Ctx, group_id: FromPath[str], rule_id: FromPath[str]) -> TaskIds:
    """Delete a rule of a security group, in a task.

    While another task works on the group, the request waits up to 5 seconds for it; then the answer is 409.
    """
    return await _submit_when_unlocked(
        ctx,
        ctx.submit_task,
        group_id,
        lambda tx, task_id: rule_service.delete_security_group_rule(tx, ctx, group_id, rule_id, task_id),
    )


@post(OF_GROUP, opt=WRITE, status_code=200, deprecated=True, tags=["Security Groups"])
async def add_security_group_rule(
    ctx: Ctx, group_id: FromPath[str], data: JSONBody[CreateSecurityGroupRule]
) -> SecurityGroupRuleView:
    """Create a rule in a security group. Waits up to 25 seconds for the task and returns the rule.

    Deprecated: use version 2.
    """
    rule = await _submit_when_unlocked(
        ctx,
        ctx.submit_task_and_wait,
        group_id,
        lambda tx, task_id: rule_service.create_security_group_rule(tx, ctx, group_id, data.to_new_rule(), task_id),
    )
    return SecurityGroupRuleView.of(rule)


@put(ONE, opt=WRITE, deprecated=True, tags=["Security Groups"])
async def replace_security_group_rule(
    ctx: Ctx, rule_id: FromPath[str], data: JSONBody[ReplaceSecurityGroupRule]
) -> SecurityGroupRuleView:
    """Replace a rule by a new one in its security group. Waits up to 25 seconds for the task and returns the new rule.

    Deprecated: use PATCH of the security group in version 2.
    """
    group_id, rule = data.security_group_id or await _find_group_id(ctx, rule_id), data.to_new_rule()
    record = await _submit_when_unlocked(
        ctx,
        ctx.submit_task_and_wait,
        group_id,
        lambda tx, task_id: rule_service.replace_security_group_rule(tx, ctx, group_id, rule_id, rule, task_id),
    )
    return SecurityGroupRuleView.of(record)


@delete(ONE, opt=WRITE, status_code=204, deprecated=True, tags=["Security Groups"])
async def delete_security_group_rule_and_wait(ctx: Ctx, rule_id: FromPath[str]) -> None:
    """Delete a rule of a security group. Waits up to 25 seconds for the task. Deprecated: use version 2."""
    group_id = await _find_group_id(ctx, rule_id)
    await _submit_when_unlocked(
        ctx,
        ctx.submit_task_and_wait,
        group_id,
        lambda tx, task_id: rule_service.delete_security_group_rule(tx, ctx, group_id, rule_id, task_id),
    )


async def _find_group_id(ctx: RequestContext, rule_id: str) -> str:
    async with ctx.db.read() as tx:
        return (await security_groups.get_rule(tx, ctx.place, rule_id)).security_group_id


async def _submit_when_unlocked(
    ctx: RequestContext, submit: Callable[[StartTask[T]], Awaitable[S]], group_id: str, start: StartTask[T]
) -> S:
    """Submit a task on a rule of the group. If a task has locked the group, wait for its end and try again.

    Clients create and delete the rules of a group in parallel, and try a 409 only twice more, within 1.5 seconds. Tasks
    on one group run one after the other, because the driver gets all rules of a group at once: without the wait, the
    third of three tasks of a second each is refused too often. After LOCK_PATIENCE the lock is reported.
    """

    async def start_without_lock(tx: Tx, task_id: str) -> T:
        group = await security_groups.get(tx, ctx.place, group_id)
        if group.task_id is not None:
            raise _GroupLockedError(group.task_id)
        return await start(tx, task_id)

    loop = asyncio.get_running_loop()
    deadline = loop.time() + min(LOCK_PATIENCE, ctx.app.patience)
    while (remaining := deadline - loop.time()) > 0:
        try:
            return await submit(start_without_lock)
        except _GroupLockedError as locked:
            await ctx.app.task_waiters.wait_for_task(ctx.db, locked.task_id, remaining)
    return await submit(start)


ROUTES = [
    create_security_group_rule, delete_security_group_rule, add_security_group_rule, replace_security_group_rule,
    delete_security_group_rule_and_wait,
]  # fmt: skip
