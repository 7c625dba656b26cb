"""Make a backup: from one snapshot of the database, while servers use it."""

import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct
from msgspec.structs import replace

from pileus import __version__
from pileus.backups.archives import ArchiveWriter, BackupError, Manifest
from pileus.backups.new_files import write_whole_file
from pileus.backups.restorations import check_backup
from pileus.initial_data import NoCloud, check_database_file
from pileus.settings import Settings
from pileus.store.database import Database, Tx
from pileus.store.database_checks import Finding
from pileus.store.schema import DATABASE_FILE, load_migrations, read_schema_version
from pileus.store.schema_compatibility import pending_migrations
from pileus.store.secret_keys import TABLE_OF_DIGEST, find_digest
from pileus.store.secrets import KEY_FILE, SecretBox
from pileus.store.sqlite import Sqlite
from pileus.store.table_descriptions import describe_tables
from pileus.store.table_rows import read_rows

SQLITE, POSTGRESQL = "sqlite", "postgresql"


class NewBackup(Struct, frozen=True, kw_only=True):
    """A backup that has been made: what it contains, what is wrong there, and the digest of its file."""

    manifest: Manifest
    findings: list[Finding]
    sha256: str
    size: int


async def write_backup(settings: Settings, path: Path, *, with_secrets_key: bool, overwrite: bool) -> NewBackup:
    """Write everything that is in the database into a file, and restore that into a temporary database to check it.

    Raises BackupError, NoCloud, DatabaseNewerThanProgram or Unavailable; then there is no file.
    """
    check_database_file(settings)
    secrets = SecretBox(Path(settings.secrets_key) if settings.secrets_key else settings.data / KEY_FILE)
    with write_whole_file(path, overwrite=overwrite) as file:
        async with _open_snapshot(settings, secrets) as tx:
            await _write_archive(ArchiveWriter(file), settings, secrets, tx, with_secrets_key=with_secrets_key)
        file.flush()
        # The file has no name yet.
        unnamed = Path(f"/proc/self/fd/{file.fileno()}")
        manifest, findings = await check_backup(unnamed)
        return NewBackup(manifest=manifest, findings=findings, sha256=_digest_of(unnamed), size=file.tell())


async def _write_archive(
    writer: ArchiveWriter, settings: Settings, secrets: SecretBox, tx: Tx, *, with_secrets_key: bool
) -> None:
    manifest = await _write_tables(writer, tx, POSTGRESQL if settings.database else SQLITE)
    if with_secrets_key and manifest.secrets_digest:
        _check_secrets_key(secrets, manifest)
        digest = writer.add_secrets_key(secrets.file.read_bytes())
        manifest = replace(manifest, sha256_of_secrets_key=digest)
    writer.finish(manifest)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def _write_tables(writer: ArchiveWriter, tx: Tx, database: str) -> Manifest:
    version = await _read_version(tx)
    migrations = [migration for migration in load_migrations() if migration[0] <= version]
    tables = {
        table.name: await writer.add_table(table, read_rows(tx, table)) for table in await describe_tables(migrations)
    }
    return Manifest(
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        program_version=__version__,
        schema_version=version,
        database=database,
        secrets_digest=await find_digest(tx) if TABLE_OF_DIGEST in tables else "",
        tables=tables,
    )


async def _read_version(tx: Tx) -> int:
    """Return the version of the schema. Raises NoCloud or DatabaseNewerThanProgram."""
    version = await read_schema_version(tx)
    pending_migrations(load_migrations(), version)
    if not version:
        raise NoCloud("The database is empty. Start a server on it with `pileus serve`, or name another.")
    return version


@asynccontextmanager
async def _open_snapshot(settings: Settings, secrets: SecretBox) -> AsyncIterator[Tx]:
    """Open one snapshot of the database, with every write that was acknowledged before.

    A SQLite file is copied first, so that its log can be emptied while the copy is read.
    """
    with TemporaryDirectory(prefix="pileus-") as directory:
        db = _open_database(settings, secrets, Path(directory))
        try:
            async with db.scan() as tx:
                yield tx
        finally:
            await db.close()


def _open_database(settings: Settings, secrets: SecretBox, directory: Path) -> Database:
    if settings.database:
        from pileus.store.postgres import Postgres  # noqa: PLC0415  # backups of SQLite need no psycopg

        return Postgres(settings.database, secrets)
    _copy_file(settings.data / DATABASE_FILE, directory / DATABASE_FILE)
    return Sqlite(directory / DATABASE_FILE, secrets)


def _copy_file(source: Path, copy: Path) -> None:
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(copy)) as target:
        original.backup(target)


def _check_secrets_key(secrets: SecretBox, manifest: Manifest) -> None:
    if manifest.secrets_digest not in secrets.list_digests():
        raise BackupError(f"{secrets.file} does not have the key of the database's secrets: name it with --secrets-key")
