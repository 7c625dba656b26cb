"""Named counters, for numbers that are issued once."""

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
