"""Security groups, their rules and their ports."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter

import msgspec

from pileus.domain.errors import Stale, not_found
from pileus.domain.network.security_groups import SecurityGroup
from pileus.domain.network.security_rules import NewRule, SecurityGroupRule
from pileus.domain.places import Place
from pileus.store import queries, scoped, tags
from pileus.store.compute import instance_stamps
from pileus.store.database import FOR_USE, Tx
from pileus.store.rows import Table, in_list_placeholders
from pileus.store.scoped import IN_PLACE, place_parameters

KIND = "security_group"
TABLE = Table("security_groups", SecurityGroup)
find, require = TABLE.find_by_id, TABLE.require_by_id
RULES = Table("security_group_rules", SecurityGroupRule)
TRAFFIC_FIELDS = NewRule.__struct_fields__
TRAFFIC_COLUMNS = ", ".join(TRAFFIC_FIELDS)
TRAFFIC = (
    f"SELECT security_group_id, CAST(json_group_array(json_array(created_at, id, {TRAFFIC_COLUMNS})) AS TEXT)"
    " FROM security_group_rules"
)


async def save(tx: Tx, before: SecurityGroup, after: SecurityGroup) -> SecurityGroup:
    """Write the changed fields; raises Stale."""
    saved = await TABLE.save(tx, before, after)
    if before.name != after.name:
        await instance_stamps.bump(tx, instance_stamps.IN_SECURITY_GROUP, id=before.id)
    return saved


async def list_by_name(tx: Tx, place: Place, name: str, *, lock: str = "") -> list[SecurityGroup]:
    """Return the groups of a place with this name, oldest first; `lock` is FOR_USE to lock them."""
    where = f"{IN_PLACE} AND name = :name ORDER BY created_at, id {lock}"
    return await TABLE.find(tx, where, name=name, **place_parameters(place))


async def add_to_port(tx: Tx, port_id: str, group_ids: Iterable[str]) -> None:
    """Add groups to a port; ignores those that it has."""
    for group_id in group_ids:
        await tx.send(
            """
            INSERT INTO port_security_groups (port_id, security_group_id) VALUES (:port_id, :group_id)
            ON CONFLICT (port_id, security_group_id) DO NOTHING
            """,
            port_id=port_id,
            group_id=group_id,
        )
    await instance_stamps.bump(tx, instance_stamps.WITH_PORT, id=port_id)


async def remove_from_port(tx: Tx, port_id: str, group_ids: Iterable[str]) -> None:
    """Remove groups from a port; ignores those that it does not have."""
    for group_id in group_ids:
        await tx.send(
            "DELETE FROM port_security_groups WHERE port_id = :port_id AND security_group_id = :group_id",
            port_id=port_id,
            group_id=group_id,
        )
    await instance_stamps.bump(tx, instance_stamps.WITH_PORT, id=port_id)


async def remove_all_from_port(tx: Tx, port_id: str) -> None:
    """Remove every group from a port."""
    await tx.run("DELETE FROM port_security_groups WHERE port_id = :port_id", port_id=port_id)
    await instance_stamps.bump(tx, instance_stamps.WITH_PORT, id=port_id)


async def get(tx: Tx, place: Place, group_id: str) -> SecurityGroup:
    """Return a group of a place; raises NotFound."""
    return await scoped.get(tx, TABLE, "Security group", place, group_id)


async def get_for_use(tx: Tx, place: Place, group_id: str) -> SecurityGroup:
    """Return a group of a place like `get`; nobody changes or deletes it until the transaction ends."""
    return await scoped.get(tx, TABLE, "Security group", place, group_id, lock=FOR_USE)


async def list_for_use(tx: Tx, group_ids: Sequence[str]) -> list[SecurityGroup]:
    """Return the groups with these ids, of any tenant; nobody changes or deletes them until the transaction ends."""
    marks, values = in_list_placeholders("id", group_ids)
    return await TABLE.find(tx, f"id IN ({marks}) ORDER BY id {FOR_USE}", **values)


async def find_default(tx: Tx, place: Place) -> SecurityGroup | None:
    """Return a place's default group, or None if it has not been created."""
    return await TABLE.find_one(tx, f"{IN_PLACE} AND is_default = 1", **place_parameters(place))


async def add(tx: Tx, group: SecurityGroup, rules: Sequence[SecurityGroupRule] = ()) -> SecurityGroup:
    """Insert a group with its rules."""
    await TABLE.add(tx, group)
    await RULES.add_all(tx, rules)
    return group


async def save_and_unlock(tx: Tx, before: SecurityGroup, after: SecurityGroup) -> None:
    """Save and unlock a group at the end of the task that has locked it, under the revision that its lock has given it.

    A change then counts once in the revision. Nobody else can have written the group: the lock has prevented it. Raises
    Stale.
    """
    if not await tx.run(
        "UPDATE security_groups SET name = :name, description = :description, updated_at = :now, task_id = NULL"
        " WHERE id = :id AND revision = :revision",
        id=before.id,
        revision=before.revision,
        name=after.name,
        description=after.description,
        now=after.updated_at,
    ):
        raise Stale(f"Security group {before.id} was changed by another request")
    if before.name != after.name:
        await instance_stamps.bump(tx, instance_stamps.IN_SECURITY_GROUP, id=before.id)


async def list_by_port(tx: Tx, port_id: str) -> list[SecurityGroup]:
    """Return the groups of a port, sorted by name."""
    groups = await TABLE.find(
        tx,
        "id IN (SELECT security_group_id FROM port_security_groups WHERE port_id = :port_id)",
        port_id=port_id,
    )
    return sorted(groups, key=attrgetter("name", "id"))


async def page(
    tx: Tx,
    place: Place,
    *,
    name: str | None,
    tag_keys: Sequence[str] | None,
    tag_pairs: Mapping[str, str],
    limit: int,
    offset: int,
) -> tuple[int, list[SecurityGroup]]:
    """Return the number of matching groups and one page of them, oldest first."""
    where = queries.Where.of_place(place).equal("name", name).with_tags(KIND, tag_keys, tag_pairs)
    return await queries.page(
        tx, TABLE, where, queries.order_by_expression("created_at.asc"), limit=limit, offset=offset
    )


async def list_rules(tx: Tx, group_id: str) -> list[SecurityGroupRule]:
    """Return a group's rules, oldest first."""
    return (await list_rules_by_group(tx, [group_id]))[group_id]


async def list_rules_by_group(tx: Tx, ids: Sequence[str]) -> dict[str, list[SecurityGroupRule]]:
    """Return the rules of groups, oldest first."""
    rules: dict[str, list[SecurityGroupRule]] = {group_id: [] for group_id in ids}
    marks, values = in_list_placeholders("id", ids)
    for rule in await RULES.find(tx, f"security_group_id IN ({marks}) ORDER BY created_at, id", **values):
        rules[rule.security_group_id].append(rule)
    return rules


async def list_allowed_traffic(tx: Tx, group_id: str) -> list[NewRule]:
    """Return what a group's rules allow, without the fields of their records, oldest first."""
    return (await list_allowed_traffic_by_group(tx, [group_id])).get(group_id, [])


async def list_allowed_traffic_by_group(tx: Tx, group_ids: Sequence[str]) -> dict[str, list[NewRule]]:
    """Return what the rules of several groups allow, by group, oldest first."""
    marks, values = in_list_placeholders("group", group_ids)
    rows = await tx.all(f"{TRAFFIC} WHERE security_group_id IN ({marks}) GROUP BY security_group_id", **values)
    return {group_id: list(_decode_traffic(rules)) for group_id, rules in rows}


@lru_cache(maxsize=64)
def _decode_traffic(rules: str) -> tuple[NewRule, ...]:
    """Decode the rules of a group, each behind what it is sorted by. Each creation reads those of the same groups."""
    rows = sorted(msgspec.json.decode(rules), key=lambda row: row[:2])
    return tuple(NewRule(**dict(zip(TRAFFIC_FIELDS, row[2:], strict=True))) for row in rows)


async def get_rule(tx: Tx, place: Place, rule_id: str) -> SecurityGroupRule:
    """Return a rule of a place's groups; raises NotFound."""
    rule = await RULES.find_by_id(tx, rule_id)
    group = await find(tx, rule.security_group_id) if rule else None
    if rule is None or group is None or (group.client_id, group.project_id, group.region_id) != _scope(place):
        raise not_found("Security group rule", rule_id)
    return rule


async def replace_rules(tx: Tx, group_id: str, rules: Iterable[SecurityGroupRule]) -> None:
    """Replace the rules of a group: add, update and delete what differs."""
    existing = {rule.id: rule for rule in await list_rules(tx, group_id)}
    requested = {rule.id: rule for rule in rules}
    for rule_id in existing.keys() - requested.keys():
        await RULES.remove(tx, rule_id)
    await RULES.add_all(tx, [rule for rule_id, rule in requested.items() if rule_id not in existing])
    for rule_id in existing.keys() & requested.keys():
        if existing[rule_id].as_new_rule != requested[rule_id].as_new_rule:
            await RULES.save(tx, existing[rule_id], requested[rule_id])


async def remove(tx: Tx, group_id: str) -> None:
    """Delete a group with its rules and tags."""
    await instance_stamps.bump(tx, instance_stamps.IN_SECURITY_GROUP, id=group_id)
    await tx.run("DELETE FROM port_security_groups WHERE security_group_id = :id", id=group_id)
    await tx.run("DELETE FROM security_group_rules WHERE security_group_id = :id", id=group_id)
    await tags.remove(tx, group_id)
    await TABLE.remove(tx, group_id)


async def count_ports(tx: Tx, group_id: str) -> int:
    """Count the ports of a group."""
    row = await tx.one("SELECT count(*) FROM port_security_groups WHERE security_group_id = :id", id=group_id)
    return int(row[0]) if row else 0


async def find_referring_group_name(tx: Tx, group_id: str) -> str | None:
    """Return the name of another group with a rule that refers to this group, or None."""
    row = await tx.one(
        "SELECT g.name FROM security_group_rules r JOIN security_groups g ON g.id = r.security_group_id"
        " WHERE r.remote_group_id = :id AND r.security_group_id <> :id LIMIT 1",
        id=group_id,
    )
    return None if row is None else str(row[0])


def _scope(place: Place) -> tuple[int, int, int]:
    return place.client_id, place.project_id, place.region_id
