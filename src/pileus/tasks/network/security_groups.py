"""Security groups made, changed and deleted: create_, update_ and delete_security_group, and those of single rules.

Arguments: `group_id`; of a change also `name`, `description`, `tags` (a merge patch) where they change, and `rules`,
all that the group is to have; `created`, the id of a new rule. Records say what was until the driver has been told.
"""

from msgspec import convert
from msgspec.structs import replace

from pileus.domain.network.security_rules import SecurityGroupRule
from pileus.domain.tasks import created
from pileus.store import tags
from pileus.store.database import Tx
from pileus.store.network import security_groups
from pileus.tasks.network.firewalls import group_of, let_guard, let_guard_as_recorded, let_no_longer_guard
from pileus.tasks.operation import Created, Operation, Step, Work


async def _created(tx: Tx, work: Work) -> Created | None:
    group = await group_of(tx, work)
    await security_groups.save(tx, group, replace(group, task_id=None))
    rules = [rule.id for rule in await security_groups.rules_of(tx, group.id)]
    return created(security_groups=[group.id], security_group_rules=rules)


async def _forgotten(tx: Tx, work: Work) -> None:
    await security_groups.remove(tx, work.task.args["group_id"])


async def _change(work: Work) -> None:
    async with work.db.read() as tx:
        group = await group_of(tx, work)
        rules = await security_groups.rules_of(tx, group.id)
    args = work.task.args
    wanted = convert(args["rules"], list[SecurityGroupRule]) if "rules" in args else rules
    await let_guard(work, replace(group, name=args.get("name", group.name)), wanted)


async def _changed(tx: Tx, work: Work) -> Created | None:
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
    return created(security_group_rules=[args["created"]]) if "created" in args else None


async def _unlocked(tx: Tx, work: Work) -> None:
    group = await group_of(tx, work)
    await security_groups.save(tx, group, replace(group, task_id=None))


async def _deleted(tx: Tx, work: Work) -> Created | None:
    group = await group_of(tx, work)
    guarding, referring = await security_groups.guarding(tx, group.id), await security_groups.referring(tx, group.id)
    replace(group, task_id=None).removable(guarding, referring)
    await security_groups.remove(tx, group.id)
    return None


CHANGES = ("update_security_group", "create_security_group_rule", "delete_security_group_rule")
SECURITY_GROUPS = (
    Operation(
        "create_security_group",
        (Step("let it guard", let_guard_as_recorded, undo=let_no_longer_guard),),
        _created,
        _forgotten,
    ),
    *(
        Operation(name, (Step("let it guard so", _change, undo=let_guard_as_recorded),), _changed, _unlocked)
        for name in CHANGES
    ),
    Operation(
        "delete_security_group",
        (Step("let it no longer guard", let_no_longer_guard, undo=let_guard_as_recorded),),
        _deleted,
        _unlocked,
    ),
)
