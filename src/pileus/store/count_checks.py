"""Compare the counts with the records that they count, and correct them; servers may run meanwhile."""

from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from pileus.store.count_changes import SHARDS, CountKey, CountScope
from pileus.store.database import Database, Tx
from pileus.store.table_counts import COUNTS, Count

COLUMNS = ", ".join(CountKey._fields)


class WrongCount(Struct, frozen=True):
    """A count whose value differs from the number or sum of the records."""

    key: CountKey
    value: int
    actual: int


async def find_wrong_counts(db: Database) -> list[WrongCount]:
    """Return the counts that are wrong. Each is compared in one snapshot, in which it has to be right."""
    wrong: list[WrongCount] = []
    for table, counts in COUNTS.items():
        for count in counts:
            async with db.scan() as tx:
                wrong += await _compare(tx, table, count)
    return wrong


async def correct_counts(db: Database, wrong: Sequence[WrongCount]) -> None:
    """Count again what is wrong, each count in a transaction of its own."""
    for count in wrong:
        await db.write(partial(_correct, count.key))


async def _compare(tx: Tx, table: str, count: Count) -> list[WrongCount]:
    condition, values = ("", {}) if count.is_named_by_field else (" AND name = :name", {"name": count.name})
    written = await tx.all(
        f"SELECT {COLUMNS}, value FROM resource_counts WHERE scope = :scope{condition}",
        scope=count.scope.value,
        **values,
    )
    values_by_key = {CountKey(*row[:-1]): int(row[-1]) for row in written}
    actual_by_key = {
        CountKey(count.scope.value, *row[:-1]): int(row[-1]) for row in await tx.all(_select(table, count))
    }
    differences = (
        WrongCount(key, values_by_key.get(key, 0), actual_by_key.get(key, 0))
        for key in sorted(values_by_key.keys() | actual_by_key.keys())
    )
    return [difference for difference in differences if difference.value != difference.actual]


async def _correct(key: CountKey, tx: Tx) -> None:
    """Lock the count, then count again.

    What is visible then has changed the count already; other transactions change it after this one.
    """
    marks = ", ".join(f":{name}" for name in CountKey._fields)
    await tx.run(
        f"INSERT INTO resource_counts ({COLUMNS}, value) VALUES ({marks}, 0)"
        f" ON CONFLICT ({COLUMNS}) DO UPDATE SET value = resource_counts.value",
        **key._asdict(),
    )
    same_key = " AND ".join(f"{name} = :{name}" for name in CountKey._fields)
    same_record = " AND ".join(f"counted.{name} = :{name}" for name in CountKey._fields[1:])
    await tx.run(
        "UPDATE resource_counts SET value = coalesce("
        f"(SELECT value FROM ({_select(*_find_declaration(key))}) counted WHERE {same_record}), 0) WHERE {same_key}",
        **key._asdict(),
    )


def _find_declaration(key: CountKey) -> tuple[str, Count]:
    """Return the table and the declaration of a count."""
    return next(
        (table, count)
        for table, counts in COUNTS.items()
        for count in counts
        if count.scope == key.scope and (count.is_named_by_field or count.name == key.name)
    )


def _select(table: str, count: Count) -> str:
    """Return the statement that counts the records of all owners: the key without the scope, and the value."""
    owner, part = count.owner, count.part or "''"
    part = f"substr({part}, length({part}), 1)" if count.is_part_last_character else part
    owner_id = f"{owner} % {SHARDS}" if count.scope == CountScope.SHARD else owner
    name = count.name if count.is_named_by_field else f"'{count.name}'"
    value = f"coalesce(sum({count.amount}), 0)" if count.amount else "count(*)"
    conditions = [f"{owner} IS NOT NULL", *([f"{count.part} IS NOT NULL"] if count.part else [])]
    conditions += [f"{count.condition} = 1"] if count.condition else []
    conditions += [f"{count.without} IS NULL"] if count.without else []
    return (
        f"SELECT {count.region} AS region_id, {owner_id} AS owner_id, {name} AS name, {part} AS part, {value} AS value"
        f" FROM {table} WHERE {' AND '.join(conditions)} GROUP BY 1, 2, 3, 4"
    )
