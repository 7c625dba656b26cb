"""Named counters, for numbers that are issued once."""

from collections.abc import Mapping

from pileus.store.database import Tx


async def increment(tx: Tx, name: str) -> int:
    """Increment a counter and return its new value; the first is 1."""
    row = await tx.one(
        """
        INSERT INTO counters (name, value) VALUES (:name, 1)
        ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 RETURNING value
        """,
        name=name,
    )
    assert row is not None  # noqa: S101  # INSERT … RETURNING always answers
    return int(row[0])


async def list_all(tx: Tx) -> dict[str, int]:
    """Return the values of all counters by name."""
    return {str(name): int(value) for name, value in await tx.all("SELECT name, value FROM counters")}


async def raise_to(tx: Tx, values: Mapping[str, int]) -> None:
    """Raise counters to values, unless they are higher."""
    for name, value in values.items():
        await tx.send(
            "INSERT INTO counters (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE"
            " SET value = CASE WHEN counters.value > excluded.value THEN counters.value ELSE excluded.value END",
            name=name,
            value=value,
        )
