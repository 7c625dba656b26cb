"""The schema's history, and how a database is opened with it."""

from contextlib import AsyncExitStack
from importlib import resources
from pathlib import Path

from pileus.store.database import Database, Migration, OnCommit
from pileus.store.sqlite import Sqlite


def migrations() -> list[Migration]:
    """Every migration in order: files named `0001_name.sql`."""
    folder = resources.files("pileus.store") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [(int(file.name[:4]), file.name[5:-4], file.read_text("utf-8")) for file in files]


async def open_database(url: str, data: Path, committed: OnCommit | None = None) -> Database:
    """Open the database of a URL (empty: a SQLite file in `data`) and migrate it; raises what `migrate` does."""
    if url.startswith(("postgresql://", "postgres://")):
        from pileus.store.postgres import Postgres  # noqa: PLC0415  # who has SQLite need not load its client

        database: Database = Postgres(url, committed)
    else:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)  # noqa: ASYNC240  # once, before anybody waits
        database = Sqlite(data / "pileus.db", committed)
    async with AsyncExitStack() as undo:
        undo.push_async_callback(database.close)
        await database.migrate(migrations())
        undo.pop_all()
    return database
