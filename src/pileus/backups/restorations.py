"""Restore a backup into a database, and check a backup by restoring it into a database of its own."""

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from pileus.backups.archives import ArchiveReader, BackupError, Manifest
from pileus.backups.new_files import write_whole_file
from pileus.private_files import prepare_data_directory
from pileus.server.startup import lock_data_directory
from pileus.settings import Settings
from pileus.store.database import (
    ContentRejected,
    DatabaseNewerThanProgram,
    DatabaseNotEmpty,
    Migration,
    NewContent,
    RestorableDatabase,
    Tx,
)
from pileus.store.database_checks import DatabaseChecks, Finding
from pileus.store.schema import DATABASE_FILE, load_migrations
from pileus.store.schema_compatibility import pending_migrations
from pileus.store.secrets import KEY_FILE, SecretBox
from pileus.store.sqlite import Sqlite
from pileus.store.table_descriptions import VERSIONS_TABLE, describe_tables, list_former_tables
from pileus.store.table_rows import insert_rows


async def check_backup(path: Path) -> tuple[Manifest, list[Finding]]:
    """Restore a backup into a temporary database; return what it contains and what is wrong there.

    Raises BackupError if it is damaged.
    """
    with TemporaryDirectory(prefix="pileus-") as directory, closing(ArchiveReader(path)) as archive:
        archive.read_secrets_key()
        file = Path(directory) / DATABASE_FILE
        db = Sqlite(file, SecretBox(file.with_name(KEY_FILE)))
        try:
            return archive.manifest, await _restore_into(db, archive)
        finally:
            await db.close()


async def restore_backup(settings: Settings, path: Path, *, overwrite: bool) -> tuple[Manifest, list[Finding]]:
    """Replace the content of the database by that of a backup; return what that contains and what is wrong there.

    Nothing has changed if it fails. Raises BackupError, StartError if a server runs, DatabaseInUse,
    DatabaseUnreachable or SecretsKeyError.
    """
    with closing(ArchiveReader(path)) as archive:
        prepare_data_directory(settings.data)
        with lock_data_directory(settings):
            secrets = SecretBox(Path(settings.secrets_key) if settings.secrets_key else settings.data / KEY_FILE)
            _restore_secrets_key(archive, secrets)
            db = _open_database(settings, secrets)
            try:
                findings = await _restore_into(db, archive, is_overwriting=overwrite)
            except DatabaseNotEmpty:
                place = "The database" if settings.database else settings.data
                raise BackupError(f"{place} has a cloud already: --overwrite replaces it") from None
            finally:
                await db.close()
    return archive.manifest, findings


async def _restore_into(
    db: RestorableDatabase, archive: ArchiveReader, *, is_overwriting: bool = False
) -> list[Finding]:
    """Replace the content of a database, migrate it to the newest version, and return what is wrong there."""
    migrations = _migrations_of(archive.manifest)
    tables = await describe_tables(migrations)
    archive.check_tables(tables)

    async def fill(tx: Tx) -> None:
        for table in tables:
            for rows in archive.read_rows(table.name):
                await insert_rows(tx, table, rows)

    dropped = await _list_all_tables()
    content = NewContent(dropped=dropped, migrations=migrations, fill=fill, is_overwriting=is_overwriting)
    try:
        await db.replace_content(content)
    except ContentRejected as problem:
        raise BackupError(f"The database does not accept the rows of the backup: {problem}") from problem
    await db.migrate(load_migrations())
    return await DatabaseChecks(db).find_all()


async def _list_all_tables() -> list[str]:
    """Return the tables of all versions of the schema, each in front of those that it refers to."""
    newest = await describe_tables(load_migrations())
    return [VERSIONS_TABLE, *list_former_tables(load_migrations()), *(table.name for table in reversed(newest))]


def _migrations_of(manifest: Manifest) -> list[Migration]:
    """Return the migrations that make the schema of a backup. Raises BackupError if the program does not know it."""
    try:
        pending_migrations(load_migrations(), manifest.schema_version)
    except DatabaseNewerThanProgram as problem:
        raise BackupError(f"The backup was made by Pileus {manifest.program_version}: upgrade Pileus") from problem
    return [migration for migration in load_migrations() if migration[0] <= manifest.schema_version]


def _open_database(settings: Settings, secrets: SecretBox) -> RestorableDatabase:
    if settings.database:
        from pileus.store.postgres import Postgres  # noqa: PLC0415  # a restoration into SQLite needs no psycopg

        return Postgres(settings.database, secrets)
    return Sqlite(settings.data / DATABASE_FILE, secrets)


def _restore_secrets_key(archive: ArchiveReader, secrets: SecretBox) -> None:
    """Write the file of the key, unless it is there. Raises BackupError if neither it nor the backup has the key."""
    expected = archive.manifest.secrets_digest
    if not expected:
        return
    content = archive.read_secrets_key()
    if content is not None and not secrets.file.exists():
        with write_whole_file(secrets.file) as file:
            file.write(content)
    if not secrets.file.exists():
        raise BackupError(f"The backup is without the key of its secrets: put your copy of it at {secrets.file} first")
    if expected not in secrets.list_digests():
        raise BackupError(f"{secrets.file} does not have the key of the backup: put the right file there first")
