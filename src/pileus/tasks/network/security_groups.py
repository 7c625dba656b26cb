"""Security groups made, changed and deleted: create_, update_ and delete_security_group, and those of single rules.

Arguments: `group_id`; of a change also `name`, `description`, `tags` (a merge patch) where they change, and `rules`,
all that the group is to have; `created`, the id of a new rule. Records say what was until the driver has been told.
"""

from msgspec import convert
from msgspec.structs import replace

from pileus.domain.network.security_rules import SecurityGroupRule
from pileus.domain.tasks import created_resources
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import security_groups
from pileus.tasks.network.security_group_sync import (
    apply_recorded_group,
    apply_security_group,
    group_of,
    remove_security_group,
)
from pileus.tasks.operation import Created, Operation, Step, TaskContext


async def _created(tx: Tx, work: TaskContext) -> Created | None:
    group = await group_of(tx, work)
    await security_groups.save(tx, group, replace(group, task_id=None))
    rules = [rule.id for rule in await security_groups.rules_of(tx, group.id)]
    return created_resources(security_groups=[group.id], security_group_rules=rules)


async def _forgotten(tx: Tx, work: TaskContext) -> None:
    await security_groups.remove(tx, work.task.args["group_id"])


async def _change(work: TaskContext) -> None:
    async with work.db.read() as tx:
        group = await group_of(tx, work)
        rules = await security_groups.rules_of(tx, group.id)
    args = work.task.args
    wanted = convert(args["rules"], list[SecurityGroupRule]) if "rules" in args else rules
    await apply_security_group(work, replace(group, name=args.get("name", group.name)), wanted)


async def _changed(tx: Tx, work: TaskContext) -> Created | None:
    group, args = await group_of(tx, work), work.task.args
    if "rules" in args:
        await security_groups.save_rules(tx, group.id, convert(args["rules"], list[SecurityGroupRule]))
    if "tags" in args:
        await tags.patch(tx, security_groups.KIND, work.task.place, group.id, args["tags"])
    after = replace(
        group,
        name=args.get("name", group.name),
        description=args.get("description", group.description),
        task_id=None,
        updated_at=work.now(),
    )
    await security_groups.save(tx, group, after)
    return created_resources(security_group_rules=[args["created"]]) if "created" in args else None


async def _unlocked(tx: Tx, work: TaskContext) -> None:
    group = await group_of(tx, work)
    await security_groups.save(tx, group, replace(group, task_id=None))


async def _deleted(tx: Tx, work: TaskContext) -> Created | None:
    group = await group_of(tx, work)
    guarding, referring = (
        await security_groups.count_ports(tx, group.id),
        await security_groups.find_referring(tx, group.id),
    )
    replace(group, task_id=None).removable(guarding, referring)
    await security_groups.remove(tx, group.id)
    return None


CHANGES = ("update_security_group", "create_security_group_rule", "delete_security_group_rule")
SECURITY_GROUPS = (
    Operation(
        "create_security_group",
        (Step("let it guard", apply_recorded_group, undo=remove_security_group),),
        _created,
        _forgotten,
    ),
    *(
        Operation(name, (Step("let it guard so", _change, undo=apply_recorded_group),), _changed, _unlocked)
        for name in CHANGES
    ),
    Operation(
        "delete_security_group",
        (Step("let it no longer guard", remove_security_group, undo=apply_recorded_group),),
        _deleted,
        _unlocked,
    ),
)
