"""Compare the counts with the records that they count, and correct them; servers may run meanwhile."""

from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from pileus.store.count_changes import SHARDS, CountKey, CountScope
from pileus.store.database import Database, Tx
from pileus.store.table_counts import COUNTS, OWNERS, Count


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
    values = {
        CountKey(*row[:-1]): int(row[-1])
        for row in await tx.all(
            f"SELECT {', '.join(CountKey._fields)}, value FROM resource_counts WHERE scope = :scope AND name = :name",
            scope=count.scope.value,
            name=count.name,
        )
    }
    actual = {
        CountKey(count.scope.value, region_id, owner_id, count.name, part): int(number)
        for region_id, owner_id, part, number in await tx.all(_select(table, count))
    }
    return [
        WrongCount(key, values.get(key, 0), actual.get(key, 0))
        for key in sorted(values.keys() | actual.keys())
        if values.get(key, 0) != actual.get(key, 0)
    ]


async def _correct(key: CountKey, tx: Tx) -> None:
    """Lock the count, then count again.

    What is visible then has changed the count already; other transactions change it after this one.
    """
    columns, marks = ", ".join(CountKey._fields), ", ".join(f":{name}" for name in CountKey._fields)
    await tx.run(
        f"INSERT INTO resource_counts ({columns}, value) VALUES ({marks}, 0)"
        f" ON CONFLICT ({columns}) DO UPDATE SET value = resource_counts.value",
        **key._asdict(),
    )
    (table, count), *_ = [
        (table, count)
        for table, counts in COUNTS.items()
        for count in counts
        if (count.scope, count.name) == (key.scope, key.name)
    ]
    same_key = " AND ".join(f"{name} = :{name}" for name in CountKey._fields)
    await tx.run(
        f"UPDATE resource_counts SET value = coalesce((SELECT value FROM ({_select(table, count)}) counted"
        f" WHERE counted.region_id = :region_id AND counted.owner_id = :owner_id AND counted.part = :part), 0)"
        f" WHERE {same_key}",
        **key._asdict(),
    )


def _select(table: str, count: Count) -> str:
    """Return the statement that counts the records of all owners."""
    owner, part = OWNERS[count.scope], count.part or "''"
    part = f"substr({part}, length({part}), 1)" if count.is_part_last_character else part
    owner_id = f"{owner} % {SHARDS}" if count.scope == CountScope.SHARD else owner
    value = f"coalesce(sum({count.amount}), 0)" if count.amount else "count(*)"
    conditions = [f"{owner} IS NOT NULL", *([f"{count.part} IS NOT NULL"] if count.part else [])]
    conditions += [f"{count.condition} = 1"] if count.condition else []
    conditions += [f"{count.without} IS NULL"] if count.without else []
    return (
        f"SELECT {count.region} AS region_id, {owner_id} AS owner_id, {part} AS part, {value} AS value"
        f" FROM {table} WHERE {' AND '.join(conditions)} GROUP BY 1, 2, 3"
    )
