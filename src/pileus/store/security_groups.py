"""Security groups, and which ports they guard."""

from collections.abc import Iterable

from pileus.domain.errors import not_found
from pileus.domain.places import Place
from pileus.domain.security_groups import SecurityGroup, SecurityGroupRule
from pileus.store.database import Tx
from pileus.store.rows import Table

TABLE = Table("security_groups", SecurityGroup)
RULES = Table("security_group_rules", SecurityGroupRule)


async def named(tx: Tx, place: Place, name: str) -> list[SecurityGroup]:
    """The groups of a place that have a name, oldest first."""
    return await TABLE.find(
        tx,
        "client_id = :client_id AND project_id = :project_id AND region_id = :region_id AND name = :name"
        " ORDER BY created_at, id",
        client_id=place.client_id,
        project_id=place.project_id,
        region_id=place.region_id,
        name=name,
    )


async def guard(tx: Tx, port_id: str, group_ids: Iterable[str]) -> None:
    """Let groups guard a port; those that do already stay."""
    for group_id in group_ids:
        await tx.run(
            """
            INSERT INTO port_security_groups (port_id, security_group_id) VALUES (:port_id, :group_id)
            ON CONFLICT (port_id, security_group_id) DO NOTHING
            """,
            port_id=port_id,
            group_id=group_id,
        )


async def unguard(tx: Tx, port_id: str, group_ids: Iterable[str]) -> None:
    """Take groups from a port; nothing happens for those that do not guard it."""
    for group_id in group_ids:
        await tx.run(
            "DELETE FROM port_security_groups WHERE port_id = :port_id AND security_group_id = :group_id",
            port_id=port_id,
            group_id=group_id,
        )


async def unguard_wholly(tx: Tx, port_id: str) -> None:
    """Take every group from a port."""
    await tx.run("DELETE FROM port_security_groups WHERE port_id = :port_id", port_id=port_id)


async def get(tx: Tx, place: Place, group_id: str) -> SecurityGroup:
    """One group of a place; raises NotFound."""
    found = await TABLE.find_one(
        tx,
        "id = :id AND client_id = :client_id AND project_id = :project_id AND region_id = :region_id",
        id=group_id,
        client_id=place.client_id,
        project_id=place.project_id,
        region_id=place.region_id,
    )
    if found is None:
        raise not_found("Security group", group_id)
    return found


async def default(tx: Tx, place: Place) -> SecurityGroup | None:
    """A place's default group, if it has been made."""
    return await TABLE.find_one(
        tx,
        "client_id = :client_id AND project_id = :project_id AND region_id = :region_id AND is_default = 1",
        client_id=place.client_id,
        project_id=place.project_id,
        region_id=place.region_id,
    )


async def add(tx: Tx, group: SecurityGroup, rules: Iterable[SecurityGroupRule] = ()) -> SecurityGroup:
    """Insert a group with its rules."""
    await TABLE.add(tx, group)
    for rule in rules:
        await RULES.add(tx, rule)
    return group


async def of_port(tx: Tx, port_id: str) -> list[SecurityGroup]:
    """The groups that guard a port, by name."""
    return await TABLE.find(
        tx,
        "id IN (SELECT security_group_id FROM port_security_groups WHERE port_id = :port_id)"
        " ORDER BY name COLLATE BINARY, id",
        port_id=port_id,
    )
