"""The schema's migrations, and opening a database with them."""

from contextlib import AsyncExitStack
from importlib import resources
from pathlib import Path

from pileus.store.database import Database, Migration, OnCommit
from pileus.store.sqlite import Sqlite


def load_migrations() -> list[Migration]:
    """Return every migration in order, from the files named `0001_name.sql`."""
    folder = resources.files("pileus.store") / "migrations"
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [(int(file.name[:4]), file.name[5:-4], file.read_text("utf-8")) for file in files]


async def open_database(url: str, data: Path, on_commit: OnCommit | None = None) -> Database:
    """Open the database at a URL (empty: a SQLite file in `data`) and migrate it; raises what `migrate` raises."""
    if url.startswith(("postgresql://", "postgres://")):
        from pileus.store.postgres import Postgres  # noqa: PLC0415  # servers with SQLite need not import psycopg

        database: Database = Postgres(url, on_commit)
    else:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)  # noqa: ASYNC240  # once, at start
        database = Sqlite(data / "pileus.db", on_commit)
    async with AsyncExitStack() as cleanup:
        cleanup.push_async_callback(database.close)
        await database.migrate(load_migrations())
        cleanup.pop_all()
    return database
