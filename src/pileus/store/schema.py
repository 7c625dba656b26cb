"""The schema's migrations, and opening a database with them."""

from contextlib import AsyncExitStack
from importlib import resources
from pathlib import Path

from pileus.store.catalogue_id_migration import replace_catalogue_ids
from pileus.store.database import NEWEST, Database, Migration, OnCommit, Tx, Work
from pileus.store.schema_compatibility import for_all_servers
from pileus.store.secret_keys import prepare_secrets
from pileus.store.secrets import KEY_FILE, SecretBox
from pileus.store.sqlite import Sqlite
from pileus.store.sqlite_transactions import DirectTx

DATABASE_FILE = "pileus.db"
STAMP_INDEXES = (
    "CREATE INDEX addresses_by_ip ON addresses (ip)",
    "CREATE INDEX floating_ips_by_address ON floating_ips (floating_ip_address)",
)
CLUSTERED_TAGS = (
    "ALTER TABLE tags RENAME TO former_tags",
    (
        "CREATE TABLE tags (resource_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
        " read_only INTEGER NOT NULL, kind TEXT NOT NULL, project_id BIGINT, region_id BIGINT,"
        " PRIMARY KEY (resource_id, key)) WITHOUT ROWID"
    ),
    (
        "INSERT INTO tags SELECT resource_id, key, value, read_only, kind, project_id, region_id FROM former_tags"
        " ORDER BY resource_id, key"
    ),
    "DROP TABLE former_tags",
)


async def add_instance_stamps(tx: Tx) -> None:
    """Add the stamps of instances, and the indexes that find the instances with an address.

    A random default is as fast as any, and new also in an older database that is restored and migrated again.
    """
    await tx.run(f"ALTER TABLE instances ADD COLUMN stamp BIGINT NOT NULL DEFAULT {tx.stamp}")
    for statement in STAMP_INDEXES:
        await tx.run(statement)


@for_all_servers
async def cluster_tags(tx: Tx) -> None:
    """On SQLite, keep the tags of a resource side by side, in their index. Such tables are SQLite's own.

    The columns stay as they are. The former indexes go with the former table: the next migrations create others.
    """
    if isinstance(tx, DirectTx):
        for statement in CLUSTERED_TAGS:
            await tx.run(statement)


FUNCTIONS: dict[int, tuple[str, Work[None]]] = {
    11: ("catalogue_ids", replace_catalogue_ids),
    20: ("instance_stamps", add_instance_stamps),
    37: ("clustered_tags", cluster_tags),
}
"""Migrations that SQL alone cannot do, by number."""


def load_migrations() -> list[Migration]:
    """Return every migration in order, from the files named `0001_name.sql` and from `FUNCTIONS`."""
    folder = resources.files("pileus.store") / "migrations"
    files = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    scripts = [(int(file.name[:4]), file.name[5:-4], file.read_text("utf-8")) for file in files]
    functions = [(number, name, function) for number, (name, function) in FUNCTIONS.items()]
    return sorted([*scripts, *functions], key=lambda migration: migration[0])


async def read_schema_version(tx: Tx) -> int:
    """Return the version of a database that has been migrated before."""
    row = await tx.one(NEWEST)
    return int(row[0]) if row else 0


def make_database(url: str, data: Path, on_commit: OnCommit | None = None, *, secrets_key: str = "") -> Database:
    """Create the object of a database, whose schema may be an older one."""
    secrets = SecretBox(Path(secrets_key) if secrets_key else data / KEY_FILE)
    if url.startswith(("postgresql://", "postgres://")):
        from pileus.store.postgres import Postgres  # noqa: PLC0415  # servers with SQLite need not import psycopg

        return Postgres(url, secrets, on_commit)
    return Sqlite(data / DATABASE_FILE, secrets, on_commit)


async def open_database(
    url: str,
    data: Path,
    on_commit: OnCommit | None = None,
    *,
    secrets_key: str = "",
    with_secrets: bool = True,
) -> Database:
    """Open the database at a URL (empty: a SQLite file in `data`) and migrate it.

    `secrets_key` is the file of the keys of its secrets, by default one in `data`. Without `with_secrets` it is not
    checked, and need not exist. Raises what `migrate` and `prepare_secrets` raise.
    """
    if with_secrets or not url:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)  # noqa: ASYNC240  # once, at start
    database = make_database(url, data, on_commit, secrets_key=secrets_key)
    async with AsyncExitStack() as cleanup:
        cleanup.push_async_callback(database.close)
        await database.migrate(load_migrations())
        if with_secrets:
            await prepare_secrets(database)
        cleanup.pop_all()
    return database
