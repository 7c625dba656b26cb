"""The rules of a security group, as drivers get them."""

from collections.abc import Sequence

from msgspec.structs import replace

from pileus.domain.account.projects import Project
from pileus.domain.network.security_groups import SecurityGroup
from pileus.domain.network.security_rules import SecurityGroupRule
from pileus.store.account import clients, projects
from pileus.store.database import Database, Tx
from pileus.store.network import security_groups

GROUP = SecurityGroup(id="group", name="web", client_id=1, project_id=1, region_id=1, created_at=0, updated_at=0)


def a_rule(number: int, port: int | None) -> SecurityGroupRule:
    return SecurityGroupRule(
        id=f"rule-{number}",
        security_group_id=GROUP.id,
        direction="ingress",
        protocol="tcp",
        port_range_min=port,
        port_range_max=port,
        created_at=100 - number,
        updated_at=100,
    )


async def add_group(db: Database, rules: Sequence[SecurityGroupRule] = ()) -> None:
    """Add the group, with its tenant and project."""

    async def write(tx: Tx) -> None:
        await clients.add(tx, 1, "tenant", 0)
        await projects.add(tx, Project(id=1, client_id=1, name="default", created_at=0))
        await security_groups.add(tx, GROUP, rules)

    await db.write(write)


async def read_ports(db: Database) -> list[int | None]:
    async with db.read() as tx:
        rules = await security_groups.list_allowed_traffic(tx, GROUP.id)
        assert rules == (await security_groups.list_allowed_traffic_by_group(tx, [GROUP.id])).get(GROUP.id, [])
    return [rule.port_range_min for rule in rules]


async def test_the_rules_of_a_group_are_those_of_now_oldest_first(db: Database) -> None:
    rules = [a_rule(0, 22), a_rule(1, None)]
    await add_group(db, rules)
    before = await read_ports(db)

    changed = [rules[1], replace(rules[0], port_range_min=80)]
    await db.write(lambda tx: security_groups.replace_rules(tx, GROUP.id, changed))

    assert before == [None, 22]
    assert await read_ports(db) == [None, 80]


async def test_a_group_without_rules_allows_nothing(db: Database) -> None:
    await add_group(db)

    assert await read_ports(db) == []
